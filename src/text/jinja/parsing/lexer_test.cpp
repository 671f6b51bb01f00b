#include "text/jinja/parsing/lexer.h"

#include <gtest/gtest.h>

#include "text/testing/jinja.h"

namespace emend::text::jinja {
namespace {

// The tokens, separated by '|': text in quotes, names as they are, numbers after '#' or '#.', and
// strings after '$'.
std::string lexed(std::string_view source) {
  std::string shown;
  const auto failure = failure_of([&] {
    for (const auto& token : tokenize(source)) {
      if (!shown.empty()) shown += "|";
      switch (token.kind) {
        case Token::Kind::text:
          shown += "'" + token.text + "'";
          break;
        case Token::Kind::integer:
          shown += "#" + token.text;
          break;
        case Token::Kind::real:
          shown += "#." + token.text;
          break;
        case Token::Kind::string:
          shown += "$" + token.text;
          break;
        case Token::Kind::end:
          break;
        default:
          shown += token.text;
      }
    }
  });
  return failure == "no failure" ? shown : failure;
}

TEST(Lexer, SeparatesTextFromTags) {
  EXPECT_EQ(lexed("a{{ b }}c"), "'a'|{{|b|}}|'c'|");
  EXPECT_EQ(lexed("{% if a %}"), "{%|if|a|%}|");
  EXPECT_EQ(lexed("a {b} %} }}"), "'a {b} %} }}'|");
  EXPECT_EQ(lexed("a{# {{ b }} #}c"), "'a'|'c'|");
  EXPECT_EQ(lexed(""), "");
}

TEST(Lexer, SeparatesNamesNumbersAndSigns) {
  EXPECT_EQ(lexed("{{a_1+2*3.5//b}}"), "{{|a_1|+|#2|*|#.3.5|//|b|}}|");
  EXPECT_EQ(lexed("{{a==b!=c<=d>=e**f}}"), "{{|a|==|b|!=|c|<=|d|>=|e|**|f|}}|");
  EXPECT_EQ(lexed("{{a.0.1}}"), "{{|a|.|#0|.|#1|}}|");  // indices
  EXPECT_EQ(lexed("{{1.a}}"), "{{|#1|.|a|}}|");
  EXPECT_EQ(lexed("{{[(x)|y, {'a': 1}]~z}}"), "{{|[|(|x|)|||y|,|{|$a|:|#1|}|]|~|z|}}|");
}

TEST(Lexer, EndsTagsOutsideOfBracketsOnly) {
  EXPECT_EQ(lexed("{{ {'a': {}}}}"), "{{|{|$a|:|{|}|}|}}|");
  EXPECT_EQ(lexed("{{ '}}' }}"), "{{|$}}|}}|");
}

TEST(Lexer, ReadsEscapesOfStrings) {
  EXPECT_EQ(lexed(R"({{ 'a\n\t\\\'"' }})"), "{{|$a\n\t\\'\"|}}|");
  EXPECT_EQ(lexed(R"({{ "\x41\u00e9\U0001F600" }})"), "{{|$Aé😀|}}|");
  EXPECT_EQ(lexed(R"({{ "\101\0601\7" }})"), "{{|$A01\a|}}|");  // octal, up to three digits
  EXPECT_EQ(lexed(R"({{ "\q\d" }})"), "{{|$\\q\\d|}}|");
  EXPECT_EQ(lexed("{{ 'a\\\nb' }}"), "{{|$ab|}}|");  // a continued line
}

TEST(Lexer, RemovesOneNewlineAfterBlocksAndComments) {
  EXPECT_EQ(lexed("{% a %}\n\nb"), "{%|a|%}|'\nb'|");
  EXPECT_EQ(lexed("{# a #}\nb"), "'b'|");
  EXPECT_EQ(lexed("{{ a }}\nb"), "{{|a|}}|'\nb'|");
  EXPECT_EQ(lexed("{% a +%}\nb"), "{%|a|%}|'\nb'|");
}

TEST(Lexer, RemovesSpacesBeforeBlocksAtTheStartOfALine) {
  EXPECT_EQ(lexed("a\n \t{% b %}"), "'a\n'|{%|b|%}|");
  EXPECT_EQ(lexed("  {# b #}c"), "'c'|");
  EXPECT_EQ(lexed("a {% b %}"), "'a '|{%|b|%}|");
  EXPECT_EQ(lexed("a\n  {{ b }}"), "'a\n  '|{{|b|}}|");
  EXPECT_EQ(lexed("a\n  {%+ b %}"), "'a\n  '|{%|b|%}|");
  EXPECT_EQ(lexed("{% a %}\n  {% b %}"), "{%|a|%}|{%|b|%}|");
  EXPECT_EQ(lexed("{% a %}  {% b %}"), "{%|a|%}|'  '|{%|b|%}|");
}

TEST(Lexer, RemovesAllWhiteSpaceNextToADash) {
  EXPECT_EQ(lexed("a \n {%- b -%} \n c"), "'a'|{%|b|%}|'c'|");
  EXPECT_EQ(lexed("a \n {{- b -}} \n c"), "'a'|{{|b|}}|'c'|");
  EXPECT_EQ(lexed("a {#- b -#} c"), "'a'|'c'|");
}

TEST(Lexer, MakesNewlinesUniformAndRemovesTheLastOne) {
  EXPECT_EQ(lexed("a\r\nb\rc\n"), "'a\nb\nc'|");
  EXPECT_EQ(lexed("a\n\n"), "'a\n'|");
}

TEST(Lexer, CountsLines) {
  std::string lines;
  for (const auto& token : tokenize("a\n{{ b\n+\nc }}\n{# \n #}{% d %}"))
    lines += std::to_string(token.line) + " ";
  //                 a {{ b + c }} '\n' {% d %} end
  EXPECT_EQ(lines, "1 2 2 3 4 4 4 6 6 6 6 ");
}

TEST(Lexer, NamesWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"a\n{{ b", "line 2: a tag is not closed"},
      {"{% a }}", "line 1: '}' has no opening bracket"},
      {"{{ ( }}", "line 1: '}' has no opening bracket"},
      {"{{ (] }}", "line 1: ']' has no opening bracket"},
      {"\n\n{# a", "line 3: a comment is not closed"},
      {"{{ 'a }}", "line 1: a string is not closed"},
      {"{{ a ? b }}", "line 1: the character '?' is unexpected"},
      {"{{ é }}", "line 1: the character 'é' is unexpected"},
      {R"({{ '\x4' }})", "line 1: an escape in a string is not a valid character"},
      {R"({{ '\ud800' }})", "line 1: an escape in a string is not a valid character"},
      {R"({{ '\U00110000' }})", "line 1: an escape in a string is not a valid character"},
      {"a\xff", "the template is not UTF-8: byte 1 is invalid"},
  };
  for (const auto& [source, problem] : cases) EXPECT_EQ(lexed(source), problem) << source;
}

TEST(Lexer, NamesWhatIsNotImplemented) {
  EXPECT_EQ(lexed("{% raw %}"), refused("line 1: the statement 'raw'"));
  EXPECT_EQ(lexed("{{ 1e5 }}"), refused("line 1: the number '1e'"));
  EXPECT_EQ(lexed("{{ 1_000 }}"), refused("line 1: the number '1_'"));
  EXPECT_EQ(lexed("{{ 012 }}"), refused("line 1: the number '012 '"));
  EXPECT_EQ(lexed(R"({{ '\N{DASH}' }})"), refused("line 1: the escape \\N"));
}

}  // namespace
}  // namespace emend::text::jinja
