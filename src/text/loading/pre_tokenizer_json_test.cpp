#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "text/pipeline/pre_tokenizer.h"
#include "text/testing/messages.h"

namespace emend::text {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using Prepend = MetaspacePreTokenizer::Prepend;

// The pieces of a text at whose start the tokenizer is.
std::vector<std::string> pieces_by(const json& spec, const std::string& text) {
  std::vector<Piece> pieces{{text, true}};
  make_pre_tokenizer(spec)->apply(pieces);
  std::vector<std::string> texts;
  for (const auto& piece : pieces) texts.push_back(piece.text);
  return texts;
}
std::string pre_tokenizer_refusal(const json& spec) {
  return error_of([&] { make_pre_tokenizer(spec); });
}
json split_spec(const char* behavior) {
  return {{"type", "Split"}, {"pattern", {{"String", "b"}}}, {"behavior", behavior}};
}

TEST(PreTokenizerJson, HasNoneForNull) { EXPECT_EQ(make_pre_tokenizer(nullptr), nullptr); }

// The expected pieces are those of Hugging Face tokenizers.
TEST(PreTokenizerJson, ReadsEveryBehaviorOfSplit) {
  EXPECT_THAT(pieces_by(split_spec("Removed"), "abba"), ElementsAre("a", "a"));
  EXPECT_THAT(pieces_by(split_spec("Isolated"), "abba"), ElementsAre("a", "b", "b", "a"));
  EXPECT_THAT(pieces_by(split_spec("MergedWithPrevious"), "abba"), ElementsAre("ab", "b", "a"));
  EXPECT_THAT(pieces_by(split_spec("MergedWithNext"), "abba"), ElementsAre("a", "b", "ba"));
  EXPECT_THAT(pieces_by(split_spec("Contiguous"), "abba"), ElementsAre("a", "bb", "a"));
  auto inverted = split_spec("Removed");
  inverted["invert"] = true;
  EXPECT_THAT(pieces_by(inverted, "abba"), ElementsAre("b", "b"));
  EXPECT_EQ(pre_tokenizer_refusal(split_spec("Sideways")),
            not_implemented_message("pre_tokenizer Split behavior", "Sideways"));
}

TEST(PreTokenizerJson, ReadsByteLevelWithItsDefaults) {
  EXPECT_THAT(pieces_by({{"type", "ByteLevel"}}, "a b"), ElementsAre("Ġa", "Ġb"));
  EXPECT_THAT(pieces_by({{"type", "ByteLevel"}, {"add_prefix_space", false}}, "a b"),
              ElementsAre("a", "Ġb"));
  EXPECT_THAT(pieces_by({{"type", "ByteLevel"}, {"use_regex", false}}, "a b"), ElementsAre("ĠaĠb"));
}

TEST(PreTokenizerJson, ReadsDigits) {
  EXPECT_THAT(pieces_by({{"type", "Digits"}, {"individual_digits", true}}, "a123½b٣4"),
              ElementsAre("a", "1", "2", "3", "½", "b", "٣", "4"));
  EXPECT_THAT(pieces_by({{"type", "Digits"}}, "a123½b٣4"), ElementsAre("a", "123½", "b", "٣4"));
}

TEST(PreTokenizerJson, ReadsMetaspaceWithItsDefaults) {
  const json spec = {{"type", "Metaspace"}, {"replacement", "▁"}};
  EXPECT_THAT(pieces_by(spec, "a b"), ElementsAre("▁a", "▁b"));
  auto whole = spec;
  whole["split"] = false;
  EXPECT_THAT(pieces_by(whole, "a b"), ElementsAre("▁a▁b"));
  auto never = spec;
  never["prepend_scheme"] = "never";
  EXPECT_THAT(pieces_by(never, "a b"), ElementsAre("a", "▁b"));
  EXPECT_EQ(pre_tokenizer_refusal({{"type", "Metaspace"}, {"replacement", "__"}}),
            malformed_message("pre_tokenizer", "'replacement' should be one character, not '__'"));
}

TEST(PreTokenizerJson, ReadsBothSettingsOfThePrefix) {
  const auto prepend = [](const json& spec) { return read_prepend(spec, "decoder"); };
  EXPECT_EQ(prepend(json::object()), Prepend::always);
  EXPECT_EQ(prepend({{"prepend_scheme", "first"}}), Prepend::first);
  EXPECT_EQ(prepend({{"prepend_scheme", "always"}, {"add_prefix_space", true}}), Prepend::always);
  EXPECT_EQ(prepend({{"add_prefix_space", false}}), Prepend::never);
  EXPECT_EQ(prepend({{"prepend_scheme", "never"}, {"add_prefix_space", false}}), Prepend::never);
  EXPECT_EQ(error_of([&] {
              prepend({{"prepend_scheme", "first"}, {"add_prefix_space", false}});
            }),
            malformed_message("decoder",
                              "Metaspace's add_prefix_space and prepend_scheme contradict each "
                              "other"));
  EXPECT_EQ(error_of([&] {
              prepend({{"prepend_scheme", "last"}});
            }),
            not_implemented_message("decoder Metaspace prepend_scheme", "last"));
}

TEST(PreTokenizerJson, ReadsSequences) {
  const json spec = {
      {"type", "Sequence"},
      {"pretokenizers", {split_spec("Isolated"), {{"type", "ByteLevel"}, {"use_regex", false}}}}};
  EXPECT_THAT(pieces_by(spec, "ab"), ElementsAre("Ġa", "Ġb"));
  json nested = {{"type", "ByteLevel"}};
  for (int depth = 0; depth < 9; ++depth)
    nested = {{"type", "Sequence"}, {"pretokenizers", {nested}}};
  EXPECT_EQ(pre_tokenizer_refusal(nested), "no error");
  nested = {{"type", "Sequence"}, {"pretokenizers", {nested}}};
  EXPECT_EQ(pre_tokenizer_refusal(nested),
            malformed_message("pre_tokenizer", "sequences are nested more than 8 deep"));
}

TEST(PreTokenizerJson, NamesOtherTypes) {
  EXPECT_EQ(pre_tokenizer_refusal({{"type", "Whitespace"}}),
            not_implemented_message("pre_tokenizer", "Whitespace"));
  EXPECT_EQ(pre_tokenizer_refusal({{"type", "Split"}, {"behavior", "Removed"}}),
            malformed_message("pre_tokenizer Split", "'pattern' should be an object, not null"));
}

}  // namespace
}  // namespace emend::text
