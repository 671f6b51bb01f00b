#include "text/pipeline/pipeline_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "text/testing/messages.h"

namespace emend::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

AddedToken added_of(const std::string& content, bool special) {
  AddedToken token;
  token.content = content;
  token.special = special;
  return token;
}

// "a", "b" and "ab" have the IDs 0 to 2; "<s>" and "[X]" follow.
PipelineTokenizer::Parts small_parts() {
  PipelineTokenizer::Parts parts;
  parts.bpe = std::make_unique<Bpe>(Bpe::Vocabulary{{"a", 0}, {"b", 1}, {"ab", 2}},
                                    Bpe::Merges{{"a", "b"}}, Bpe::Options{});
  parts.decoder = make_decoder({{"type", "Fuse"}});
  parts.added = {added_of("<s>", true), added_of("[X]", false)};
  return parts;
}

TEST(PipelineTokenizer, EncodesThePartsBetweenAddedTokens) {
  const PipelineTokenizer tokenizer(small_parts());
  EXPECT_THAT(tokenizer.encode("ab[X]b<s>a", true), ElementsAre(2, 4, 1, 3, 0));
  EXPECT_THAT(tokenizer.encode("", true), IsEmpty());
  EXPECT_EQ(tokenizer.size(), 5);
}

TEST(PipelineTokenizer, NormalizesThenSplitsThenMerges) {
  auto parts = small_parts();
  parts.normalizer =
      make_normalizer({{"type", "Replace"}, {"pattern", {{"String", "c"}}}, {"content", "ab"}});
  parts.pre_tokenizer = make_pre_tokenizer(
      {{"type", "Split"}, {"pattern", {{"String", "b"}}}, {"behavior", "MergedWithNext"}});
  const PipelineTokenizer tokenizer(std::move(parts));
  EXPECT_THAT(tokenizer.encode("ca", false), ElementsAre(0, 1, 0));  // "a" and "ba"
}

TEST(PipelineTokenizer, AddsTheTokensOfThePostProcessorIfSpecial) {
  PipelineTokenizer tokenizer(small_parts());
  tokenizer.set_post_processor({{3}, {4, 3}});
  EXPECT_THAT(tokenizer.encode("a", true), ElementsAre(3, 0, 4, 3));
  EXPECT_THAT(tokenizer.encode("a", false), ElementsAre(0));
  EXPECT_EQ(error_of([&] {
              tokenizer.set_post_processor({{3}, {5}});
            }),
            "[text::tokenizer] the post_processor adds the ID 5, which is not in the vocabulary. "
            "Hint: the files must come from the same tokenizer; fetch them again");
}

TEST(PipelineTokenizer, SkipsOnlySpecialTokensWhenDecoding) {
  const PipelineTokenizer tokenizer(small_parts());
  EXPECT_EQ(tokenizer.decode({3, 2, 4, 3}, true), "ab[X]");
  EXPECT_EQ(tokenizer.decode({3, 2, 4, 3}, false), "<s>ab[X]<s>");
  EXPECT_EQ(tokenizer.decode({}, true), "");
}

TEST(PipelineTokenizer, CountsTokensOfTheVocabularyOnce) {
  auto parts = small_parts();
  parts.added.push_back(added_of("ab", false));
  const PipelineTokenizer tokenizer(std::move(parts));
  EXPECT_EQ(tokenizer.size(), 5);
  EXPECT_THAT(tokenizer.encode("aba", false), ElementsAre(2, 0));
}

TEST(PipelineTokenizer, LooksUpTokensAndIds) {
  const PipelineTokenizer tokenizer(small_parts());
  EXPECT_EQ(tokenizer.id("ab"), 2);
  EXPECT_EQ(tokenizer.id("[X]"), 4);
  EXPECT_EQ(tokenizer.id("c"), std::nullopt);
  EXPECT_EQ(tokenizer.token(2), "ab");
  EXPECT_EQ(tokenizer.token(4), "[X]");
  for (const int64_t id : {-1, 5})
    EXPECT_EQ(error_of([&] { tokenizer.token(id); }),
              fmt::format("[text::tokenizer] the token ID {} does not exist; the vocabulary has 5 "
                          "tokens. Hint: the model's vocabulary may be larger than the "
                          "tokenizer's; use a smaller ID",
                          id));
}

}  // namespace
}  // namespace emend::text
