#include "text/pipeline/normalization/replacement.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "text/testing/messages.h"

namespace emend::text {
namespace {

using nlohmann::json;

std::string literal(const char* pattern, const char* content, const char* text) {
  return Replacement({{"pattern", {{"String", pattern}}}, {"content", content}}, "step")
      .apply(text);
}
std::string by_regex(const char* pattern, const char* content, const char* text) {
  return Replacement({{"pattern", {{"Regex", pattern}}}, {"content", content}}, "step").apply(text);
}

// The expected texts are those of normalizers.Replace in Hugging Face tokenizers.
TEST(Replacement, ReplacesLiteralStrings) {
  EXPECT_EQ(literal("a", "-", "banana"), "b-n-n-");
  EXPECT_EQ(literal("a", "", "banana"), "bnn");
  EXPECT_EQ(literal("aa", "b", "aaaaa"), "bba");  // from the left, without overlaps
  EXPECT_EQ(literal("a", "aa", "aba"), "aabaa");  // the replacement is not searched again
  EXPECT_EQ(literal("a.b", "_", "a.bacb"), "_acb");
  EXPECT_EQ(literal("x", "_", ""), "");
}

TEST(Replacement, ReplacesMatchesOfARegex) {
  EXPECT_EQ(by_regex("[ab]+", "_", "abcab"), "_c_");
  EXPECT_EQ(by_regex("(?=b)", "-", "ab"), "a-b");
}

TEST(Replacement, ReplacesEmptyMatchesThatDoNotFollowAMatch) {
  EXPECT_EQ(by_regex("x*", "-", "axb"), "-a-b-");
  EXPECT_EQ(by_regex("x*", "-", "é星"), "-é-星-");
  EXPECT_EQ(by_regex("x*", "-", ""), "");
}

TEST(Replacement, ReadsBothKindsOfPatterns) {
  const auto first = [](const json& pattern, const char* text) {
    const auto match = read_pattern({{"pattern", pattern}}, "step").find(text, 0);
    return match ? std::string(text).substr(match->start, match->end - match->start) : "none";
  };
  EXPECT_EQ(first({{"Regex", "a.b"}}, "acb"), "acb");
  EXPECT_EQ(first({{"String", "a.b"}}, "acb a.b"), "a.b");
  EXPECT_EQ(first({{"String", "(|é"}}, "x(|é"), "(|é");
}

TEST(Replacement, NamesWhatIsWrong) {
  const auto refusal = [](const json& spec) {
    return error_of([&] { Replacement(spec, "step"); });
  };
  EXPECT_EQ(refusal({{"pattern", {{"String", ""}}}, {"content", ""}}),
            malformed_message("step", "the pattern is empty"));
  EXPECT_EQ(refusal({{"pattern", {{"String", "a"}}}}),
            malformed_message("step", "'content' should be a string, not null"));
  EXPECT_EQ(refusal({{"pattern", "a"}, {"content", ""}}),
            malformed_message("step", "'pattern' should be an object, not string"));
  EXPECT_EQ(refusal({{"pattern", {{"Regex", 1}}}, {"content", ""}}),
            malformed_message("step", "'Regex' should be a string, not number"));
  EXPECT_EQ(error_of([] {
              read_pattern({{"pattern", {{"String", ""}}}}, "step");
            }),
            malformed_message("step", "the pattern is empty"));
}

}  // namespace
}  // namespace emend::text
