#include "text/pipeline/decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "text/testing/messages.h"

namespace emend::text {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using Tokens = std::vector<std::string>;

Tokens decoded(const json& spec, Tokens tokens) {
  make_decoder(spec)->apply(tokens);
  return tokens;
}

// The expected texts are those of Hugging Face tokenizers.
TEST(Decoder, OfByteLevelJoinsBytes) {
  const json spec = {{"type", "ByteLevel"}};
  EXPECT_THAT(decoded(spec, {"Ã", "©", "Ġa", "Ã"}), ElementsAre("é a\ufffd"));
  EXPECT_THAT(decoded(spec, {"星", "Ã", "x"}), ElementsAre("星\ufffdx"));
  EXPECT_THAT(decoded(spec, {}), ElementsAre(""));
}

TEST(Decoder, OfByteFallbackJoinsRunsOfBytes) {
  const json spec = {{"type", "ByteFallback"}};
  EXPECT_THAT(decoded(spec, {"a", "<0xE2>", "<0x82>", "<0xAC>", "b"}), ElementsAre("a", "€", "b"));
  EXPECT_THAT(decoded(spec, {"<0xC3>", "c", "<0xC3>"}), ElementsAre("\ufffd", "c", "\ufffd"));
  // If the run is not valid UTF-8, every byte is replaced, also those of valid characters.
  EXPECT_THAT(decoded(spec, {"<0x41>", "<0xE2>", "<0x82>"}),
              ElementsAre("\ufffd", "\ufffd", "\ufffd"));
}

TEST(Decoder, OfFuseJoinsTokens) {
  EXPECT_THAT(decoded({{"type", "Fuse"}}, {"a", "", "b"}), ElementsAre("ab"));
}

TEST(Decoder, OfReplaceReplacesInEveryToken) {
  const json literal = {{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}};
  EXPECT_THAT(decoded(literal, {"▁a▁", "b"}), ElementsAre(" a ", "b"));
  const json regex = {{"type", "Replace"}, {"pattern", {{"Regex", "[ab]+"}}}, {"content", "_"}};
  EXPECT_THAT(decoded(regex, {"abcab"}), ElementsAre("_c_"));
}

TEST(Decoder, OfStripRemovesAtMostTheGivenCount) {
  const auto strip = [](const char* content, int start, int stop) {
    return json{{"type", "Strip"}, {"content", content}, {"start", start}, {"stop", stop}};
  };
  EXPECT_THAT(decoded(strip("a", 2, 1), {"aaaba", "baa", "ba"}), ElementsAre("ab", "ba", "b"));
  EXPECT_THAT(decoded(strip("_", 0, 2), {"a___"}), ElementsAre("a_"));
  EXPECT_THAT(decoded(strip("▁", 1, 0), {"▁▁a▁"}), ElementsAre("▁a▁"));
  // No character is removed twice. (Hugging Face tokenizers crash here.)
  EXPECT_THAT(decoded(strip("a", 2, 2), {"a", "aaa", ""}), ElementsAre("", "", ""));
}

TEST(Decoder, OfMetaspaceRemovesTheSpaceOfTheFirstToken) {
  const auto metaspace = [](const char* scheme) {
    return json{{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", scheme}};
  };
  // All spaces of the first token, as in Hugging Face tokenizers.
  EXPECT_THAT(decoded(metaspace("always"), {"▁a▁b", "▁c"}), ElementsAre("ab", " c"));
  EXPECT_THAT(decoded(metaspace("first"), {"a", "▁c"}), ElementsAre("a", " c"));
  EXPECT_THAT(decoded(metaspace("never"), {"▁a▁b", "▁c"}), ElementsAre(" a b", " c"));
}

TEST(Decoder, OfASequenceAppliesItsStepsInOrder) {
  const json spec = {{"type", "Sequence"},
                     {"decoders",
                      {{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}},
                       {{"type", "ByteFallback"}},
                       {{"type", "Fuse"}},
                       {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
  EXPECT_THAT(decoded(spec, {"▁a", "<0xC3>", "<0xA9>", "▁b"}), ElementsAre("aé b"));
}

TEST(Decoder, NamesWhatIsWrong) {
  const auto refusal = [](const json& spec) { return error_of([&] { make_decoder(spec); }); };
  EXPECT_EQ(refusal(nullptr), not_implemented_message("decoder", "null"));
  EXPECT_EQ(refusal({{"type", "CTC"}}), not_implemented_message("decoder", "CTC"));
  EXPECT_EQ(refusal({{"type", "Strip"}, {"content", "ab"}, {"start", 1}, {"stop", 0}}),
            malformed_message("decoder", "'content' should be one character, not 'ab'"));
  EXPECT_EQ(refusal({{"type", "Strip"}, {"content", "a"}, {"start", -1}, {"stop", 0}}),
            malformed_message("decoder", "'start' should be an integer of at least 0"));
  EXPECT_EQ(refusal({{"type", "Metaspace"}, {"replacement", ""}}),
            malformed_message("decoder", "'replacement' should be one character, not ''"));
  EXPECT_EQ(refusal({{"type", "Sequence"}}),
            malformed_message("decoder", "'decoders' should be a list, not null"));
}

}  // namespace
}  // namespace emend::text
