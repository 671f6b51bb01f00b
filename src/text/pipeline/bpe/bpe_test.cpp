#include "text/pipeline/bpe/bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/testing/messages.h"

namespace emend::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using BpeIds = std::vector<int64_t>;

// The ID of a token is its position.
Bpe::Vocabulary numbered(const std::vector<std::string>& tokens) {
  Bpe::Vocabulary vocabulary;
  for (const auto& token : tokens) {
    const auto id = static_cast<int64_t>(vocabulary.size());
    vocabulary.emplace(token, id);
  }
  return vocabulary;
}

BpeIds ids_of(const Bpe& bpe, const std::string& piece) {
  BpeIds ids;
  bpe.encode(piece, ids);
  return ids;
}

// The expected IDs are those of models.BPE in Hugging Face tokenizers.
class BpeMerges : public ::testing::Test {
 protected:
  static BpeIds encode(const Bpe::Merges& merges, const std::string& piece,
                       Bpe::Options options = {}) {
    return ids_of(
        Bpe(numbered({"a", "b", "c", "ab", "bc", "abc", "aa", "aaa"}), merges, std::move(options)),
        piece);
  }
};

TEST_F(BpeMerges, AreAppliedByRank) {
  EXPECT_THAT(encode({{"a", "b"}, {"b", "c"}, {"ab", "c"}}, "abc"), ElementsAre(5));
  EXPECT_THAT(encode({{"b", "c"}, {"a", "b"}, {"ab", "c"}}, "abc"), ElementsAre(0, 4));
  EXPECT_THAT(encode({{"b", "c"}, {"a", "bc"}}, "abc"), ElementsAre(5));
  EXPECT_THAT(encode({}, "abc"), ElementsAre(0, 1, 2));
}

TEST_F(BpeMerges, AreAppliedFromTheLeftWithinARank) {
  EXPECT_THAT(encode({{"a", "a"}}, "aaa"), ElementsAre(6, 0));
  EXPECT_THAT(encode({{"a", "a"}, {"aa", "a"}}, "aaaa"), ElementsAre(6, 6));
  EXPECT_THAT(encode({{"a", "a"}, {"aa", "a"}}, "aaa"), ElementsAre(7));
}

TEST_F(BpeMerges, HaveTheirLastRankIfTheyAreRepeated) {
  EXPECT_THAT(encode({{"a", "b"}, {"b", "c"}, {"a", "b"}}, "abc"), ElementsAre(0, 4));
}

TEST_F(BpeMerges, AreIgnoredForWholeTokensWithIgnoreMerges) {
  Bpe::Options options;
  options.ignore_merges = true;
  EXPECT_THAT(encode({{"a", "b"}}, "abc", options), ElementsAre(5));
  EXPECT_THAT(encode({{"a", "b"}}, "abca", options), ElementsAre(3, 2, 0));
  EXPECT_THAT(encode({{"a", "b"}}, "abc"), ElementsAre(3, 2));
}

TEST_F(BpeMerges, GiveTheSameIdsForKnownAndForLongPieces) {
  const Bpe bpe(numbered({"a", "b", "ab"}), {{"a", "b"}}, {});
  std::string piece;
  BpeIds expected;
  for (int i = 0; i < 50; ++i) {  // from 32 pairs on, a piece is not cached
    piece += "ab";
    expected.push_back(2);
    for (int round = 0; round < 2; ++round) EXPECT_EQ(ids_of(bpe, piece), expected) << i;
  }
}

class BpeUnknown : public ::testing::Test {
 protected:
  static BpeIds encode(const std::string& piece, bool unknown, bool fuse, bool fallback) {
    Bpe::Options options;
    if (unknown) options.unknown = "<unk>";
    options.fuse_unknown = fuse;
    options.byte_fallback = fallback;
    return ids_of(Bpe(numbered({"<unk>", "a", "b", "<0xC3>", "<0xA9>"}), {}, std::move(options)),
                  piece);
  }
};

TEST_F(BpeUnknown, CharactersBecomeTheUnknownToken) {
  EXPECT_THAT(encode("axyb", true, false, false), ElementsAre(1, 0, 0, 2));
  EXPECT_THAT(encode("aéb", true, false, false), ElementsAre(1, 0, 2));
}

TEST_F(BpeUnknown, CharactersAreDroppedWithoutAnUnknownToken) {
  EXPECT_THAT(encode("axyb", false, false, false), ElementsAre(1, 2));
  EXPECT_THAT(encode("x", false, false, true), IsEmpty());
}

TEST_F(BpeUnknown, RunsAreFused) {
  EXPECT_THAT(encode("axyb", true, true, false), ElementsAre(1, 0, 2));
  EXPECT_THAT(encode("xay", true, true, false), ElementsAre(0, 1, 0));
}

TEST_F(BpeUnknown, CharactersFallBackToBytesThatAreInTheVocabulary) {
  EXPECT_THAT(encode("aéb", true, false, true), ElementsAre(1, 3, 4, 2));
  EXPECT_THAT(encode("aéb", false, false, true), ElementsAre(1, 3, 4, 2));
  EXPECT_THAT(encode("è", true, false, true), ElementsAre(0));  // <0xA8> is missing
}

TEST_F(BpeUnknown, TokensFollowTheBytesThatTheyPrecede) {
  EXPECT_THAT(encode("xéy", true, false, true), ElementsAre(3, 4, 0, 0));
  EXPECT_THAT(encode("xéy", true, true, true), ElementsAre(3, 4, 0));
}

TEST(Bpe, LooksUpTokensAndIds) {
  const Bpe bpe({{"a", 5}, {"b", 0}}, {}, {});
  EXPECT_EQ(bpe.id("a"), 5);
  EXPECT_EQ(bpe.id("c"), std::nullopt);
  ASSERT_TRUE(bpe.token(5));
  EXPECT_EQ(*bpe.token(5), "a");
  EXPECT_EQ(bpe.token(1), nullptr);
  EXPECT_EQ(bpe.size(), 2);
}

TEST(Bpe, NamesWhatIsInconsistent) {
  const auto refusal = [](const Bpe::Vocabulary& vocabulary, const Bpe::Merges& merges,
                          const Bpe::Options& options = {}) {
    return error_of([&] { Bpe(vocabulary, merges, options); });
  };
  EXPECT_EQ(refusal({}, {}),
            "[text::bpe] the vocabulary is empty. Hint: the tokenizer's files are incomplete; "
            "fetch them again");
  EXPECT_EQ(refusal({{"a", -1}}, {}),
            "[text::bpe] token 'a' has the ID -1. Hint: IDs must not be negative; correct the "
            "vocabulary");
  EXPECT_EQ(refusal({{"a", 3}, {"b", 3}}, {}),
            "[text::bpe] tokens 'a' and 'b' share the ID 3. Hint: give each token a unique ID");
  EXPECT_EQ(refusal({{"a", 0}, {"b", 1}, {"ab", 2}}, {{"a", "b"}, {"ab", "a"}}),
            "[text::bpe] merge 2 needs the token 'aba', which the vocabulary lacks. Hint: "
            "vocabulary and merges must come from the same tokenizer");
  Bpe::Options options;
  options.unknown = "<unk>";
  EXPECT_EQ(refusal({{"a", 0}}, {}, options),
            "[text::bpe] the unknown token '<unk>' is not in the vocabulary. Hint: add it to the "
            "vocabulary, or choose another unknown token");
}

}  // namespace
}  // namespace emend::text
