#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "text/testing/messages.h"
#include "text/wordpiece/word_piece_tokenizer.h"

namespace emend::text {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

json word_piece_spec() {
  return {{"added_tokens", {{{"content", "[X]"}, {"id", 5}, {"special", true}}}},
          {"normalizer", {{"type", "BertNormalizer"}}},
          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"decoder", {{"type", "WordPiece"}}},
          {"model",
           {{"type", "WordPiece"},
            {"vocab", {{"[UNK]", 0}, {"a", 1}, {"##b", 2}, {"@b", 3}, {".", 4}}}}}};
}

TEST(WordPieceJson, IsKnownByTheTypeOfItsModel) {
  EXPECT_TRUE(is_word_piece(word_piece_spec()));
  EXPECT_FALSE(is_word_piece({{"model", {{"type", "BPE"}}}}));
  EXPECT_FALSE(is_word_piece({{"model", 5}}));
  EXPECT_FALSE(is_word_piece(json::array()));
}

TEST(WordPieceJson, HasTheDefaultsOfBert) {
  const auto tokenizer = make_word_piece(word_piece_spec());
  EXPECT_THAT(tokenizer->encode("Äb[X]b", true), ElementsAre(1, 2, 5, 0));
  EXPECT_THAT(tokenizer->encode(std::string(101, 'a'), true), ElementsAre(0));
  EXPECT_EQ(tokenizer->decode({1, 2, 1, 4}, true), "ab a.");
}

TEST(WordPieceJson, ReadsTheOptionsOfItsModel) {
  auto spec = word_piece_spec();
  spec["model"]["unk_token"] = "a";
  spec["model"]["continuing_subword_prefix"] = "@";
  spec["model"]["max_input_chars_per_word"] = 2;
  const auto tokenizer = make_word_piece(spec);
  EXPECT_THAT(tokenizer->encode("ab c abb", true), ElementsAre(1, 3, 1, 1));
}

TEST(WordPieceJson, ReadsNormalizerDecoderAndPostProcessor) {
  auto spec = word_piece_spec();
  spec["normalizer"] = nullptr;
  spec["decoder"] = {{"type", "WordPiece"}, {"prefix", "@"}, {"cleanup", false}};
  spec["post_processor"] = {{"type", "BertProcessing"}, {"cls", {"[X]", 5}}, {"sep", {"a", 1}}};
  const auto tokenizer = make_word_piece(spec);
  EXPECT_THAT(tokenizer->encode("A", true), ElementsAre(5, 0, 1));
  EXPECT_EQ(tokenizer->decode({1, 3, 2, 4}, true), "ab ##b .");
}

TEST(WordPieceJson, NamesWhatIsNotImplemented) {
  const auto refusal = [](const char* part, const json& value) {
    auto spec = word_piece_spec();
    spec[part] = value;
    return error_of([&] { make_word_piece(spec); });
  };
  EXPECT_EQ(refusal("pre_tokenizer", nullptr), not_implemented_message("pre_tokenizer", "null"));
  EXPECT_EQ(refusal("pre_tokenizer", {{"type", "Digits"}}),
            not_implemented_message("pre_tokenizer", "Digits"));
  EXPECT_EQ(refusal("decoder", nullptr), not_implemented_message("decoder", "null"));
  EXPECT_EQ(refusal("decoder", {{"type", "Fuse"}}), not_implemented_message("decoder", "Fuse"));
  EXPECT_EQ(refusal("normalizer", {{"type", "NFC"}}), not_implemented_message("normalizer", "NFC"));
}

TEST(WordPieceJson, NamesWhatIsWrong) {
  const auto refusal = [](const char* field, const json& value) {
    auto spec = word_piece_spec();
    spec["model"][field] = value;
    return error_of([&] { make_word_piece(spec); });
  };
  EXPECT_EQ(refusal("unk_token", 1),
            malformed_message("model", "'unk_token' should be a string, not number"));
  EXPECT_EQ(
      refusal("max_input_chars_per_word", -1),
      malformed_message("model", "'max_input_chars_per_word' should be an integer of at least 0"));
  EXPECT_EQ(
      refusal("vocab", {"a"}),
      malformed_message("model", "the vocabulary should be an object that maps tokens to IDs"));
}

}  // namespace
}  // namespace emend::text
