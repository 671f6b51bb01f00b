#include "text/sentencepiece/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/files/file.h"
#include "text/testing/messages.h"

namespace emend::text {
namespace {

using ::testing::ElementsAre;

// "<x>" is an added token with the ID 900; "the" is 674, "▁the" 338, "▁" 778, and "▁▁" 261.
SentencePieceTokenizer tokenizer_with(AddedToken flags, bool legacy,
                                      SentencePieceTokenizer::Options options = {}) {
  const std::string file = EMEND_SOURCE_DIR "/src/text/testdata/small_llama/tokenizer.model";
  flags.content = "<x>";
  flags.id = 900;
  options.legacy = legacy;
  return {read_sentencepiece_model(read_file(file), file), {flags}, std::move(options)};
}
std::vector<int64_t> llama_ids(const AddedToken& flags, bool legacy, const std::string& text) {
  return tokenizer_with(flags, legacy).encode(text, true);
}

// The expected IDs and texts are those of LlamaTokenizer in transformers 4.57.
TEST(SentencePieceTokenizer, AddsASpaceBeforeEveryPartOrBeforeTheText) {
  EXPECT_THAT(llama_ids({}, true, "the<x>the"), ElementsAre(338, 900, 338));
  EXPECT_THAT(llama_ids({}, false, "the<x>the"), ElementsAre(338, 900, 674));
  EXPECT_THAT(llama_ids({}, true, "the <x> the"), ElementsAre(338, 778, 900, 261, 674));
  EXPECT_THAT(llama_ids({}, false, "the <x> the"), ElementsAre(338, 778, 900, 338));
  EXPECT_THAT(llama_ids({}, true, ""), ElementsAre());
  EXPECT_THAT(llama_ids({}, false, ""), ElementsAre());
}

TEST(SentencePieceTokenizer, AddsNoSpaceIfTheOptionsSaySo) {
  SentencePieceTokenizer::Options options;
  options.add_prefix_space = false;
  const auto tokenizer = tokenizer_with({}, false, options);
  EXPECT_THAT(tokenizer.encode("the star", true), ElementsAre(674, 460));
  EXPECT_THAT(tokenizer.encode(" the", true), ElementsAre(338));
}

TEST(SentencePieceTokenizer, RemovesWhiteSpaceNextToAddedTokens) {
  AddedToken left, right;
  left.lstrip = true;
  right.rstrip = true;
  EXPECT_THAT(llama_ids(left, true, "the <x> the"), ElementsAre(338, 900, 261, 674));
  EXPECT_THAT(llama_ids(left, false, "the <x> the"), ElementsAre(338, 900, 338));
  EXPECT_THAT(llama_ids(right, true, "the <x> the"), ElementsAre(338, 778, 900, 338));
  EXPECT_THAT(llama_ids(right, false, "the <x> the"), ElementsAre(338, 778, 900, 674));
}

TEST(SentencePieceTokenizer, DoesNotMatchSingleWordsInsideWords) {
  AddedToken single;
  single.single_word = true;
  EXPECT_THAT(llama_ids(single, true, "the <x> the"), ElementsAre(338, 778, 900, 261, 674));
  EXPECT_THAT(llama_ids(single, true, "the<x>the"), ElementsAre(338, 796, 818, 794, 338));
  EXPECT_THAT(llama_ids(single, false, "the<x>the"), ElementsAre(338, 796, 818, 794, 674));
}

TEST(SentencePieceTokenizer, DecodesAddedTokensBetweenSpaces) {
  EXPECT_EQ(tokenizer_with({}, true).decode({338, 900, 338}, true), "the <x> the");
  EXPECT_EQ(tokenizer_with({}, false).decode({338, 778, 900, 674}, true), "the  <x> the");
  AddedToken special;
  special.special = true;
  EXPECT_EQ(tokenizer_with(special, true).decode({338, 900, 338}, true), "the the");
  EXPECT_EQ(tokenizer_with(special, false).decode({338, 900, 674}, true), "thethe");
}

TEST(SentencePieceTokenizer, CleansUpSpacesIfTheOptionsSaySo) {
  SentencePieceTokenizer::Options options;
  const auto ids = tokenizer_with({}, true, options).encode("so , it 's", true);
  EXPECT_EQ(tokenizer_with({}, true, options).decode(ids, true), "so , it 's");
  options.clean_up_spaces = true;
  EXPECT_EQ(tokenizer_with({}, true, options).decode(ids, true), "so, it's");
}

TEST(SentencePieceTokenizer, LooksUpTokensAndIds) {
  auto tokenizer = tokenizer_with({}, true);
  tokenizer.set_post_processor({{1}, {2}});
  EXPECT_THAT(tokenizer.encode("the", true), ElementsAre(1, 338, 2));
  EXPECT_THAT(tokenizer.encode("the", false), ElementsAre(338));
  EXPECT_EQ(tokenizer.size(), 901);
  EXPECT_EQ(tokenizer.id("<x>"), 900);
  EXPECT_EQ(tokenizer.id("▁the"), 338);
  EXPECT_EQ(tokenizer.id("no piece"), std::nullopt);
  EXPECT_EQ(tokenizer.token(900), "<x>");
  EXPECT_EQ(tokenizer.token(338), "▁the");
  for (const int64_t id : {-1, 901})
    EXPECT_EQ(error_of([&] { tokenizer.token(id); }),
              fmt::format("[text::tokenizer] the token ID {} does not exist; the vocabulary has "
                          "901 tokens. Hint: the model's vocabulary may be larger than the "
                          "tokenizer's; use a smaller ID",
                          id));
}

}  // namespace
}  // namespace emend::text
