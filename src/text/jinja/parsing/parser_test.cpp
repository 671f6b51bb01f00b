#include "text/jinja/parsing/parser.h"

#include <gtest/gtest.h>

#include "text/testing/jinja.h"

namespace emend::text::jinja {
namespace {

TEST(Parser, MakesOneStatementOfEachTag) {
  const auto statements = parse("a\n{{ b }}{% set c = 1 %}");
  ASSERT_EQ(statements.size(), 3u);
  EXPECT_EQ(statements[0].kind, Statement::Kind::text);
  EXPECT_EQ(statements[1].kind, Statement::Kind::output);
  EXPECT_EQ(statements[1].line, 2);
  EXPECT_EQ(statements[2].kind, Statement::Kind::assign);
  EXPECT_TRUE(parse("").empty());
}

TEST(Parser, KnowsMacrosBeforeTheirDefinition) {
  EXPECT_EQ(failure_of([] { parse("{{ f() }}{% macro f() %}{% endmacro %}"); }), "no failure");
  EXPECT_EQ(failure_of([] { parse("{{ g() }}{% macro f() %}{% endmacro %}"); }),
            refused("line 1: the function 'g'"));
}

}  // namespace
}  // namespace emend::text::jinja
