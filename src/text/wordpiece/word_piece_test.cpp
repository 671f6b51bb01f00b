#include "text/wordpiece/word_piece.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/testing/messages.h"

namespace emend::text {
namespace {

using ::testing::ElementsAre;

std::vector<int64_t> word_ids(const std::string& word, WordPiece::Options options = {}) {
  WordPiece::Vocabulary vocabulary;
  for (const char* token : {"[UNK]", "a", "ab", "##b", "##bc", "##c", "é", "##é", "abcd", "@b"}) {
    const auto id = static_cast<int64_t>(vocabulary.size());
    vocabulary.emplace(token, id);
  }
  std::vector<int64_t> ids;
  WordPiece(std::move(vocabulary), std::move(options)).encode(word, ids);
  return ids;
}

// The expected IDs are those of models.WordPiece in Hugging Face tokenizers.
TEST(WordPiece, TakesTheLongestTokenFirst) {
  EXPECT_THAT(word_ids("abc"), ElementsAre(2, 5));
  EXPECT_THAT(word_ids("abbc"), ElementsAre(2, 4));
  EXPECT_THAT(word_ids("abcd"), ElementsAre(8));
  EXPECT_THAT(word_ids("aéé"), ElementsAre(1, 7, 7));
  EXPECT_THAT(word_ids("éb"), ElementsAre(6, 3));
}

TEST(WordPiece, MakesWordsWithAnUnknownPartUnknown) {
  EXPECT_THAT(word_ids("abx"), ElementsAre(0));
  EXPECT_THAT(word_ids("xab"), ElementsAre(0));
  EXPECT_THAT(word_ids("b"), ElementsAre(0));  // only a continuation
  EXPECT_THAT(word_ids("星"), ElementsAre(0));
}

TEST(WordPiece, MakesLongWordsUnknown) {
  WordPiece::Options options;
  options.most = 3;
  EXPECT_THAT(word_ids("ééé", options), ElementsAre(6, 7, 7));  // characters, not bytes
  EXPECT_THAT(word_ids("éééé", options), ElementsAre(0));
}

TEST(WordPiece, HasAnotherPrefixOrUnknownToken) {
  WordPiece::Options options;
  options.prefix = "@";
  options.unknown = "a";
  EXPECT_THAT(word_ids("abb", options), ElementsAre(2, 9));
  EXPECT_THAT(word_ids("abc", options), ElementsAre(1));
}

TEST(WordPiece, LooksUpTokensAndIds) {
  const WordPiece model({{"[UNK]", 4}, {"a", 0}}, {});
  EXPECT_EQ(model.id("a"), 0);
  EXPECT_EQ(model.id("b"), std::nullopt);
  ASSERT_TRUE(model.token(4));
  EXPECT_EQ(*model.token(4), "[UNK]");
  EXPECT_EQ(model.token(1), nullptr);
  EXPECT_EQ(model.size(), 2);
}

TEST(WordPiece, NamesWhatIsInconsistent) {
  EXPECT_EQ(error_of([] {
              WordPiece({{"[UNK]", 1}, {"a", 1}}, {});
            }),
            "[text::word_piece] tokens '[UNK]' and 'a' share the ID 1. Hint: give each token a "
            "unique ID");
  EXPECT_EQ(error_of([] {
              WordPiece({{"a", 1}}, {});
            }),
            "[text::word_piece] the unknown token '[UNK]' is not in the vocabulary. Hint: add it "
            "to the vocabulary, or choose another unknown token");
}

}  // namespace
}  // namespace emend::text
