#include "text/jinja/parsing/statement_parser.h"

#include <gtest/gtest.h>

#include "text/testing/jinja.h"

namespace emend::text::jinja {
namespace {

// The statements of a template, each as its kind with its names and bodies.
std::string outline(const std::vector<Statement>& statements);

std::string outline(const Statement& statement) {
  using Kind = Statement::Kind;
  std::string targets;
  for (const auto& target : statement.targets)
    targets += " " + target.name + (target.attribute.empty() ? "" : "." + target.attribute);
  if (statement.unpacked) targets += " unpacked";
  switch (statement.kind) {
    case Kind::text:
      return "'" + statement.text + "'";
    case Kind::output:
      return "output";
    case Kind::condition: {
      std::string shown = "if";
      for (const auto& branch : statement.branches)
        shown += std::string(branch.test ? " test" : " else") + outline(branch.body);
      return shown;
    }
    case Kind::loop:
      return "for" + targets + (statement.filter ? " filter" : "") + outline(statement.body) +
             (statement.otherwise.empty() ? "" : " else" + outline(statement.otherwise));
    case Kind::assign:
      return "set" + targets;
    case Kind::capture:
      return "capture" + targets + outline(statement.body);
    case Kind::enclosed:
      return "enclosed" + outline(statement.body);
    case Kind::macro:
      return "macro " + statement.text + targets + " defaults " +
             std::to_string(statement.defaults.size()) + outline(statement.body);
    case Kind::loop_continue:
      return "continue";
    case Kind::loop_break:
      return "break";
  }
  return "?";
}

std::string outline(const std::vector<Statement>& statements) {
  std::string shown;
  for (const auto& statement : statements)
    shown += (shown.empty() ? "" : ", ") + outline(statement);
  return "[" + shown + "]";
}

std::string outline_of(const char* text) {
  std::string shown;
  const auto failure = failure_of([&] { shown = outline(parse(text)); });
  return failure == "no failure" ? shown : failure;
}

TEST(StatementParser, ReadsTextAndOutput) {
  EXPECT_EQ(outline_of("a{{ b }}c"), "['a', output, 'c']");
  EXPECT_EQ(outline_of(""), "[]");
}

TEST(StatementParser, ReadsConditions) {
  EXPECT_EQ(outline_of("{% if a %}x{% endif %}"), "[if test['x']]");
  EXPECT_EQ(outline_of("{% if a %}{% elif b %}x{% elif c %}{% else %}y{% endif %}z"),
            "[if test[] test['x'] test[] else['y'], 'z']");
  EXPECT_EQ(outline_of("{% if a: %}x{% endif %}"), "[if test['x']]");
}

TEST(StatementParser, ReadsLoops) {
  EXPECT_EQ(outline_of("{% for a in b %}x{% endfor %}"), "[for a['x']]");
  EXPECT_EQ(outline_of("{% for a, b in c if a %}x{% else %}y{% endfor %}"),
            "[for a b unpacked filter['x'] else['y']]");
  EXPECT_EQ(outline_of("{% for a in b %}{% break %}{% continue %}{% endfor %}"),
            "[for a[break, continue]]");
}

TEST(StatementParser, ReadsAssignments) {
  EXPECT_EQ(outline_of("{% set a = 1 %}"), "[set a]");
  EXPECT_EQ(outline_of("{% set a, b = 1, 2 %}"), "[set a b unpacked]");
  EXPECT_EQ(outline_of("{% set a.b = 1 %}"), "[set a.b]");
  EXPECT_EQ(outline_of("{% set a %}x{{ b }}{% endset %}"), "[capture a['x', output]]");
}

TEST(StatementParser, ReadsMacrosAndGenerations) {
  EXPECT_EQ(outline_of("{% macro f() %}{% endmacro %}"), "[macro f defaults 0[]]");
  EXPECT_EQ(outline_of("{% macro f(a, b=1, c=2) %}x{% endmacro %}"),
            "[macro f a b c defaults 2['x']]");
  EXPECT_EQ(outline_of("{% generation %}x{% endgeneration %}"), "[enclosed['x']]");
}

TEST(StatementParser, NamesWhatIsNotImplemented) {
  const std::pair<const char*, const char*> cases[] = {
      {"a\n{% include 'x' %}", "line 2: the statement 'include'"},
      {"{% for a in b recursive %}{% endfor %}", "line 1: a 'recursive' loop"},
      {"{% for a in b %}\n{% macro f() %}", "line 2: a macro that is not at the top level"},
      {"{% set a %}{% macro f() %}", "line 1: a macro that is not at the top level"},
      {"{% set a | trim %}", "line 1: a filter on a 'set' block"},
      {"{% set range = 1 %}", "line 1: assigning the function 'range'"},
      {"{% for range in a %}", "line 1: assigning the function 'range'"},
  };
  for (const auto& [text, construct] : cases) EXPECT_EQ(outline_of(text), refused(construct));
}

TEST(StatementParser, NamesSyntaxErrors) {
  const std::pair<const char*, const char*> cases[] = {
      {"{% if a %}", "the template ends where 'endif' is expected"},
      {"{% if a %}{% else %}{% elif b %}", "line 1: 'elif' has no matching statement"},
      {"{% for a in b %}", "the template ends where 'endfor' is expected"},
      {"{% for a b %}", "line 1: 'b' is unexpected"},
      {"{% for a.b in c %}", "line 1: '.' is unexpected"},
      {"\n{% endfor %}", "line 2: 'endfor' has no matching statement"},
      {"{% else %}", "line 1: 'else' has no matching statement"},
      {"{% continue %}", "line 1: 'continue' outside of a loop"},
      {"{% for a in b %}{% set c %}{% break %}", "line 1: 'break' outside of a loop"},
      {"{% set a = %}", "line 1: '%}' is unexpected"},
      {"{% set none = 1 %}", "line 1: 'none' cannot be assigned"},
      {"{% macro f(a=1, b) %}", "line 1: a parameter without a default after one with a default"},
      {"{% 1 %}", "line 1: '1' is unexpected"},
      {"{% if a %}{% endif b %}", "line 1: 'b' is unexpected"},
  };
  for (const auto& [text, problem] : cases) EXPECT_EQ(outline_of(text), problem) << text;
}

TEST(StatementParser, LimitsTheDepth) {
  std::string text;
  for (int i = 0; i < 500; ++i) text += "{% if a %}";
  EXPECT_EQ(outline_of(text.c_str()), "line 1: the template is nested too deeply");
}

}  // namespace
}  // namespace emend::text::jinja
