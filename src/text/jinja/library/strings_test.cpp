#include <gtest/gtest.h>

#include "text/testing/jinja.h"

namespace emend::text::jinja {
namespace {

TEST(JinjaStrings, ChangeTheCaseOfAsciiLetters) {
  EXPECT_EQ(to_text(upper("azAZ09_{")), "AZAZ09_{");
  EXPECT_EQ(to_text(lower("azAZ09_[")), "azaz09_[");
  EXPECT_EQ(to_text(capitalized("ab CD")), "Ab cd");
  EXPECT_EQ(to_text(title_case("ab-cd 1eF")), "Ab-Cd 1Ef");
  for (const auto change : {upper, lower, capitalized, title_case})
    EXPECT_EQ(failure_of([&] { change("aé"); }), refused("upper or lower case beyond ASCII"));
}

TEST(JinjaStrings, AreStrippedOnTheChosenSides) {
  const Value set(std::string("xé"));
  EXPECT_EQ(stripped("éxaxé", &set, true, true), "a");
  EXPECT_EQ(stripped("éxaxé", &set, true, false), "axé");
  EXPECT_EQ(stripped("éxaxé", &set, false, true), "éxa");
  EXPECT_EQ(stripped("éxaxé", &set, false, false), "éxaxé");
  EXPECT_EQ(stripped("\u2003 a ", nullptr, true, true), "a");
  EXPECT_EQ(stripped("xx", &set, true, true), "");
}

TEST(JinjaStrings, AreReplacedAtMostTheGivenNumberOfTimes) {
  Budget budget;
  EXPECT_EQ(replaced("aaa", "a", "b", -1, budget), "bbb");
  EXPECT_EQ(replaced("aaa", "a", "b", 2, budget), "bba");
  EXPECT_EQ(replaced("aaa", "a", "b", 0, budget), "aaa");
  EXPECT_EQ(replaced("aaaa", "aa", "a", -1, budget), "aa");
  EXPECT_EQ(failure_of([&] { replaced("a", "", "b", -1, budget); }),
            refused("'replace' of an empty string"));
}

TEST(JinjaStrings, CountAsWork) {
  Budget budget;
  const std::string many(100000, 'a'), text(1000, 'b');
  EXPECT_EQ(failure_of([&] { replaced(many, "a", text, -1, budget); }),
            "the template runs too long, or writes more than 64 MiB");
}

}  // namespace
}  // namespace emend::text::jinja
