#include "text/jinja/evaluator.h"

#include <gtest/gtest.h>

#include "text/testing/jinja.h"

namespace emend::text::jinja {
namespace {

struct TemplateCase {
  const char *text, *expected;
};
void templates_agree(const std::vector<TemplateCase>& cases) {
  for (const auto& [text, expected] : cases) EXPECT_EQ(rendered(text), expected) << text;
}

// The expected texts are those of Jinja with the settings of transformers.
TEST(Evaluator, Calculates) {
  templates_agree(
      {{"{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 // -2 }} {{ -7 // -2 }}", "3 -4 -4 3"},
       {"{{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ -7 % -3 }}", "1 2 -2 -1"},
       {"{{ 1 / 4 }} {{ 4 / 2 }} {{ 2 * 1.5 }} {{ 1.5 - 1 }}", "0.25 2.0 3.0 0.5"},
       {"{{ true + true }} {{ -true }} {{ -1.5 }}", "2 -1 -1.5"},
       {"{{ 'a' + 'b' }} {{ 'ab' * 2 }} {{ 2 * 'ab' }} {{ 'a' * -1 }}", "ab abab abab "},
       {"{{ ([1] + [2, 3])|join }}", "123"},
       {"{{ 'a' ~ 1 ~ none ~ true ~ x }}", "a1NoneTrue"}});
}

TEST(Evaluator, ComparesValues) {
  templates_agree(
      {{"{{ 1 == 1.0 }} {{ true == 1 }} {{ '1' == 1 }}", "True True False"},
       {"{{ 1 < 2 }} {{ 2 <= 2 }} {{ 1 > 2 }} {{ 2 >= 3 }}", "True True False False"},
       {"{{ 'a' < 'b' }} {{ 'a' != 'a' }}", "True False"},
       {"{{ [1, [2]] == [1, [2]] }} {{ {'a': 1} == {'a': 2} }}", "True False"},
       {"{{ 2 in [1, 2] }} {{ 'b' not in 'abc' }} {{ 'a' in {'a': 1} }}", "True False True"}});
}

TEST(Evaluator, DecidesByTruth) {
  templates_agree({{"{{ 0 or 'a' }} {{ 'b' or 'a' }} {{ '' and 'a' }}|{{ 1 and 2 }}", "a b |2"},
                   {"{{ not [] }} {{ not 0.0 }} {{ not x }} {{ not 'a' }}", "True True True False"},
                   {"{{ 'a' if 0 else 'b' }}{{ 'c' if 1 }}{{ 'd' if 0 }}", "bc"},
                   {"{% if [] %}a{% elif '' %}b{% elif 1 %}c{% else %}d{% endif %}", "c"},
                   {"{% if x %}a{% else %}d{% endif %}", "d"}});
}

TEST(Evaluator, SlicesAsPython) {
  templates_agree({{"{{ 'abcde'[1:3] }} {{ 'abcde'[:-2] }} {{ 'abcde'[-2:] }}", "bc abc de"},
                   {"{{ 'abcde'[::2] }} {{ 'abcde'[::-1] }} {{ 'abcde'[3:0:-2] }}", "ace edcba db"},
                   {"{{ 'abcde'[9:] }}|{{ 'abcde'[-9:2] }}|{{ 'abcde'[2:1] }}", "|ab|"},
                   {"{{ [1, 2, 3][1:]|join }} {{ 'é星a'[1:] }}", "23 星a"},
                   {"{{ 'abc'[none:none:none] }} {{ 'abc'[::9] }}", "abc a"}});
}

TEST(Evaluator, LoopsOverItems) {
  templates_agree(
      {{"{% for a in [1, 2] %}{{ a }};{% endfor %}", "1;2;"},
       {"{% for a, b in {'x': 1, 'y': 2}.items() %}{{ a }}{{ b }} {% endfor %}", "x1 y2 "},
       {"{% for a in 'é星' %}{{ a }} {% endfor %}", "é 星 "},
       {"{% for a in [] %}x{% else %}none{% endfor %}", "none"},
       {"{% for a in [1, 2, 3] if a != 2 %}{{ a }}{{ loop.length }}{% endfor %}", "1232"},
       {"{% for a in range(9) %}{% if a == 1 %}{% continue %}{% endif %}"
        "{% if a == 3 %}{% break %}{% endif %}{{ a }}{% endfor %}",
        "02"}});
}

TEST(Evaluator, DescribesTheLoop) {
  templates_agree(
      {{"{% for a in 'xyz' %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}"
        "{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}",
        "1032TrueFalse3 2121FalseFalse3 3210FalseTrue3 "},
       {"{% for a in 'xyz' %}{{ loop.previtem }}<{{ loop.nextitem }}|{% endfor %}", "<y|x<z|y<|"}});
}

TEST(Evaluator, KeepsVariablesOfBlocksInTheirScope) {
  templates_agree(
      {{"{% set a = 1 %}{% for b in [1] %}{% set a = 2 %}{{ a }}{% endfor %}{{ a }}", "21"},
       {"{% set n = namespace(a=1) %}{% for b in [1] %}{% set n.a = 2 %}{% endfor %}{{ n.a }}",
        "2"},
       {"{% if 1 %}{% set a = 2 %}{% endif %}{{ a }}", "2"},
       {"{% for a in [1] %}{% endfor %}{{ a is defined }}", "False"},
       {"{% set a, b = 1, 2 %}{{ b }}{{ a }}", "21"},
       {"{% set a %}x{{ 1 }}{% endset %}{{ a|upper }}", "X1"}});
}

TEST(Evaluator, CallsMacros) {
  templates_agree(
      {{"{% macro f(a, b=2) %}{{ a }}-{{ b }};{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(b=4, a=5) "
        "}}",
        "1-2;1-3;5-4;"},
       {"{% macro f(a) %}[{{ a }}]{% endmacro %}{{ f() }}", "[]"},
       {"{% set a = 1 %}{% macro f() %}{{ a }}{% endmacro %}{% set a = 2 %}{{ f() }}", "2"},
       {"{% macro f() %}{{ b }}{% endmacro %}{% for b in [1] %}[{{ f() }}]{% endfor %}", "[]"},
       {"{% macro f(n) %}{{ n }}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(2) }}",
        "210"}});
}

TEST(Evaluator, NamesTheLineOfAFailure) {
  const std::pair<const char*, const char*> cases[] = {
      {"\n{{ 1 + 'a' }}", "line 2: '+' cannot be applied to a number and a string"},
      {"{{ x + 1 }}", "line 1: 'x' is undefined, so '+' cannot be applied to it"},
      {"{{ x.a }}", "line 1: 'x' is undefined, so it has no 'a'"},
      {"{{ 1 // 0 }}", "line 1: division by zero"},
      {"{{ 1 / 0 }}", "line 1: division by zero"},
      {"{{ -'a' }}", "line 1: a string cannot be negated"},
      {"{{ 1 < 'a' }}", "line 1: a number and a string cannot be ordered"},
      {"{{ 5[1:] }}", "line 1: a number cannot be sliced"},
      {"{{ 'a'[::0] }}", "line 1: the step of a slice is 0"},
      {"{{ 'a'['b':] }}", "line 1: a slice bound is a string"},
      {"{% for a, b in [[1]] %}{% endfor %}", "line 1: 1 values for 2 variables"},
      {"{% for a in 5 %}{% endfor %}", "line 1: a number cannot be iterated"},
      {"{% set a = 1 %}{% set a.b = 2 %}", "line 1: 'a' is not a namespace"},
      {"{{ f(1) }}\n{% macro f(a) %}{% endmacro %}", "line 1: 'f' is undefined, not a function"},
      {"{% macro f() %}{% endmacro %}{{ f(1) }}", "line 1: the macro 'f' takes 0 arguments, not 1"},
      {"{% macro f() %}{% endmacro %}{{ f(a=1) }}", "line 1: the macro 'f' has no parameter 'a'"},
      {"{{ raise_exception('No.') }}", "line 1: the template refuses these messages: No."},
  };
  for (const auto& [text, problem] : cases) EXPECT_EQ(rendered(text), problem) << text;
}

TEST(Evaluator, NamesWhatIsNotImplemented) {
  const std::pair<const char*, const char*> cases[] = {
      {"{{ [1] * 2 }}", "'*' of a list"},
      {"{{ '%s' % 1 }}", "'%' of a string"},
      {"{{ 1.5 // 1 }}", "'//' of floating-point numbers"},
      {"{{ 9223372036854775807 + 1 }}", "a number of more than 64 bits"},
      {"{{ {1: 2} }}", "a number as a key of a mapping"},
      {"{{ [1] }}", "a list as text"},
      {"{% set n = namespace() %}{% set n.a = n %}", "a namespace within another value"},
  };
  for (const auto& [text, construct] : cases)
    EXPECT_EQ(rendered(text), refused(std::string("line 1: ") + construct)) << text;
}

TEST(Evaluator, LimitsTheWork) {
  EXPECT_EQ(
      rendered("{% for a in range(2000) %}{% for b in range(2000) %}{% endfor %}{% endfor %}"),
      "line 1: the template runs too long, or writes more than 64 MiB");
  EXPECT_EQ(rendered("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
            "line 1: macro calls are nested too deeply");
}

}  // namespace
}  // namespace emend::text::jinja
