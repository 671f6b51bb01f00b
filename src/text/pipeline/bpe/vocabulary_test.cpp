#include "text/pipeline/bpe/vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/testing/messages.h"

namespace emend::text {
namespace {

using nlohmann::json;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

TEST(Vocabulary, MapsTokensToIds) {
  EXPECT_THAT(read_vocabulary({{"a", 0}, {"", 7}, {"é", 2147483647}}, "model"),
              UnorderedElementsAre(Pair("a", 0), Pair("", 7), Pair("é", 2147483647)));
  EXPECT_TRUE(read_vocabulary(json::object(), "model").empty());
}

TEST(Vocabulary, NamesTheEntryThatIsWrong) {
  const auto refusal = [](const json& entries) {
    return error_of([&] { read_vocabulary(entries, "model"); });
  };
  EXPECT_EQ(
      refusal(json::array({"a"})),
      malformed_message("model", "the vocabulary should be an object that maps tokens to IDs"));
  for (const json& id : {json(-1), json(1.5), json("1"), json(2147483648), json(nullptr)})
    EXPECT_EQ(refusal({{"a", 0}, {"b", id}}),
              malformed_message("model", "the ID of 'b' should be an integer of at least 0"))
        << id;
}

TEST(Vocabulary, ReadsTheFlagsOfAddedTokens) {
  const auto token = read_added_token({{"content", "<x>"},
                                       {"special", true},
                                       {"normalized", true},
                                       {"single_word", true},
                                       {"lstrip", true},
                                       {"rstrip", true}},
                                      "added_tokens");
  EXPECT_EQ(token.content, "<x>");
  EXPECT_EQ(token.id, -1);
  EXPECT_TRUE(token.special && token.normalized && token.single_word && token.lstrip &&
              token.rstrip);
}

// As AddedToken of Hugging Face tokenizers.
TEST(Vocabulary, MatchesOnlySpecialTokensInTheOriginalTextByDefault) {
  const auto plain = read_added_token({{"content", "x"}}, "added_tokens");
  EXPECT_TRUE(plain.normalized);
  EXPECT_FALSE(plain.special || plain.single_word || plain.lstrip || plain.rstrip);
  EXPECT_FALSE(read_added_token({{"content", "x"}, {"special", true}}, "a").normalized);
}

TEST(Vocabulary, NamesTheFlagThatIsWrong) {
  EXPECT_EQ(error_of([] {
              read_added_token({{"special", true}}, "added_tokens");
            }),
            malformed_message("added_tokens", "'content' should be a string, not null"));
  for (const char* flag : {"special", "normalized", "single_word", "lstrip", "rstrip"})
    EXPECT_EQ(error_of([&] {
                read_added_token({{"content", "x"}, {flag, 1}}, "added_tokens");
              }),
              malformed_message("added_tokens",
                                fmt::format("'{}' should be true or false, not number", flag)));
}

TEST(Vocabulary, SplitsAMergeAtItsSpace) {
  EXPECT_THAT(read_merge("Ġ ab", 1, "merges.txt"), Pair("Ġ", "ab"));
  for (const char* line : {"", "ab", "a b c", "a  b"})
    EXPECT_EQ(
        error_of([&] { read_merge(line, 12, "merges.txt"); }),
        malformed_message("merges.txt", fmt::format("merge 12 '{}' is not two tokens", line)));
}

}  // namespace
}  // namespace emend::text
