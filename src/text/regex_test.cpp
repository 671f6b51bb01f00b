#include "text/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/error.h"
#include "text/testing/messages.h"
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

std::vector<std::pair<size_t, size_t>> all_matches(const char* pattern, const char* text) {
  std::vector<std::pair<size_t, size_t>> spans;
  for (const auto& match : Regex(pattern).find_all(text))
    spans.emplace_back(match.start, match.end);
  return spans;
}

TEST(Regex, FindsAllMatches) {
  using ::testing::ElementsAre;
  using ::testing::IsEmpty;
  using ::testing::Pair;
  EXPECT_THAT(all_matches("ab?", "abaxa"), ElementsAre(Pair(0, 2), Pair(2, 3), Pair(4, 5)));
  EXPECT_THAT(all_matches("a", "xyz"), IsEmpty());
  // Empty matches, but not directly after another match, nor within a character.
  EXPECT_THAT(all_matches("x*", "axb"), ElementsAre(Pair(0, 0), Pair(1, 2), Pair(3, 3)));
  EXPECT_THAT(all_matches("x*", "é"), ElementsAre(Pair(0, 0), Pair(2, 2)));
  EXPECT_THAT(all_matches("x*", ""), IsEmpty());
}

TEST(Regex, TranslatesConstructs) {
  EXPECT_EQ(to_pcre2("a\\.b"), "a\\.b");
  EXPECT_EQ(to_pcre2("\\u00e9"), "\\x{00e9}");
  EXPECT_EQ(to_pcre2("\\v[\\v]"), "\\x{0b}[\\x{0b}]");
  EXPECT_EQ(to_pcre2("\\d\\D[\\d]"), "[\\p{Nd}][^\\p{Nd}][\\p{Nd}]");
  EXPECT_EQ(to_pcre2("\\p{Lu}\\P{Lu}\\p{^Lu}"), "[\\p{Lu}][^\\p{Lu}][^\\p{Lu}]");
  EXPECT_EQ(to_pcre2("(?i:a)|(?>b)(?<=c)(?<!d)(?=e)(?!f)(?:g)"),
            "(?i:a)|(?>b)(?<=c)(?<!d)(?=e)(?!f)(?:g)");
  EXPECT_EQ(to_pcre2("[^a]"), "[^a]");
}

TEST(Regex, NamesTheConstructThatIsNotImplemented) {
  const std::pair<const char*, const char*> cases[] = {
      {"^a", "the anchor ^"},
      {"a$", "the anchor $"},
      {"\\w", "\\w"},
      {"\\1", "\\1"},
      {"[a[b]]", "a class within a class"},
      {"[a&&b]", "&&"},
      {"[]a]", "an empty class"},
      {"[\\S]", "a negated set within a class"},
      {"\\p{Han}", "the property 'Han'"},
      {"\\pL", "a \\p without {}"},
      {"(?m:a)", "the group (?m"},
      {"a\\", "a single backslash at its end"},
      {"\\u00e", "an incomplete \\u"},
  };
  for (const auto& [pattern, construct] : cases)
    EXPECT_EQ(error_of([&, pattern = pattern] { to_pcre2(pattern); }),
              fmt::format("[text::regex] the pattern '{}' uses {}, which is not implemented. Hint: "
                          "use a tokenizer whose pattern is similar to that of GPT-2 or Qwen2",
                          pattern, construct));
}

}  // namespace
}  // namespace emend::text
