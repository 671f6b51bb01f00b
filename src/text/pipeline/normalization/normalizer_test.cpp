#include "text/pipeline/normalization/normalizer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "text/testing/messages.h"

namespace emend::text {
namespace {

using nlohmann::json;

std::string normalized(const json& spec, const std::string& text) {
  return make_normalizer(spec)(text);
}
const json kPrependX = {{"type", "Prepend"}, {"prepend", "x"}};
const json kReplaceX = {{"type", "Replace"}, {"pattern", {{"String", "x"}}}, {"content", "yz"}};

TEST(Normalizer, ChangesNothingWithoutSteps) {
  EXPECT_EQ(normalized(nullptr, "e\u0301"), "e\u0301");
  EXPECT_EQ(Normalizer()("e\u0301"), "e\u0301");
}

TEST(Normalizer, ComposesByNfc) { EXPECT_EQ(normalized({{"type", "NFC"}}, "e\u0301"), "é"); }

TEST(Normalizer, PrependsToEveryTextThatIsNotEmpty) {
  EXPECT_EQ(normalized(kPrependX, "a"), "xa");
  EXPECT_EQ(normalized(kPrependX, "xa"), "xxa");
  EXPECT_EQ(normalized(kPrependX, ""), "");
}

TEST(Normalizer, ReplacesEveryMatch) { EXPECT_EQ(normalized(kReplaceX, "axbx"), "ayzbyz"); }

TEST(Normalizer, AppliesTheStepsOfASequenceInOrder) {
  const auto sequence = [](const json& steps) {
    return json{{"type", "Sequence"}, {"normalizers", steps}};
  };
  EXPECT_EQ(normalized(sequence({kPrependX, kReplaceX}), "ax"), "yzayz");
  EXPECT_EQ(normalized(sequence({kReplaceX, kPrependX}), "ax"), "xayz");
  EXPECT_EQ(normalized(sequence({sequence(json::array({kPrependX})), kPrependX}), "a"), "xxa");
  EXPECT_EQ(normalized(sequence(json::array()), "a"), "a");
}

TEST(Normalizer, NamesWhatIsWrong) {
  const auto refusal = [](const json& spec) { return error_of([&] { make_normalizer(spec); }); };
  EXPECT_EQ(refusal({{"type", "NFKC"}}), not_implemented_message("normalizer", "NFKC"));
  EXPECT_EQ(refusal({{"type", "Sequence"}, {"normalizers", {{{"type", "Lowercase"}}}}}),
            not_implemented_message("normalizer", "Lowercase"));
  EXPECT_EQ(refusal({{"type", "Prepend"}}),
            malformed_message("normalizer", "'prepend' should be a string, not null"));
  EXPECT_EQ(refusal({{"type", "Sequence"}, {"normalizers", 3}}),
            malformed_message("normalizer", "'normalizers' should be a list, not number"));
  EXPECT_EQ(refusal(json::array()),
            malformed_message("normalizer", "'type' should be a string, not null"));
}

}  // namespace
}  // namespace emend::text
