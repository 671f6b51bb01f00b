#include "text/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/error.h"
#include "text/utf8.h"

namespace emend::text {
namespace {

bool matches(const std::string& pattern, char32_t code) {
  std::string text;
  append_utf8(text, code);
  return Regex(pattern).find(text, 0).has_value();
}

TEST(Regex, HasTheUnicodeClassesOfOniguruma) {
  EXPECT_TRUE(matches("\\s", 0x85));
  EXPECT_TRUE(matches("\\s", 0x3000));
  EXPECT_FALSE(matches("\\s", 0x180e));  // which PCRE2's \s contains
  EXPECT_FALSE(matches("\\s", 0x200b));
  EXPECT_TRUE(matches("\\S", 0x180e));
  EXPECT_TRUE(matches("[^\\s\\p{L}]", '1'));
  EXPECT_TRUE(matches("\\p{L}", 0x31350));  // a letter since Unicode 15
  EXPECT_FALSE(matches("\\P{L}", 0x31350));
  EXPECT_TRUE(matches("\\p{N}", 0xbd));
  EXPECT_TRUE(matches("\\p{^N}", 'a'));
  EXPECT_TRUE(matches("\\p{Lu}", 0x410));
  EXPECT_TRUE(matches("(?i:s)", 0x17f));  // long s
}

TEST(Regex, FindsFromAnOffset) {
  const Regex regex("(?<=a)b|c");
  const auto first = regex.find("ab ab", 0), second = regex.find("ab ab", 2);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->start, 1u);
  EXPECT_EQ(second->start, 4u);
  EXPECT_EQ(second->end, 5u);
  EXPECT_FALSE(regex.find("ab ab", 5));
}

TEST(Regex, RefusesConstructsOfDifferentMeaning) {
  for (const char* pattern :
       {"^a", "a$", "\\bword", "\\w+", "\\h", "[a-z&&[^b]]", "[[:alpha:]]", "\\p{Han}", "(?m:a)",
        "(?<name>a)", "\\1", "[]a]", "[\\S]", "\\pL", "a\\"})
    EXPECT_THROW(Regex{pattern}, Error) << pattern;
}

TEST(Regex, NamesPatternsThatDoNotCompile) {
  try {
    Regex regex("(a");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("(a"));
  }
}

TEST(Utf8, MeasuresWhiteSpaceAtBothEnds) {
  EXPECT_EQ(leading_space("\u3000 \tx "), 5u);
  EXPECT_EQ(trailing_space("x \u00a0\u2003"), 6u);
  EXPECT_EQ(leading_space("x"), 0u);
  EXPECT_EQ(trailing_space(""), 0u);
  EXPECT_EQ(trailing_space(" \n"), 2u);
}

}  // namespace
}  // namespace emend::text
