#include "text/jinja/parsing/expression_parser.h"

#include <gtest/gtest.h>

#include "text/jinja/parsing/lexer.h"
#include "text/testing/jinja.h"

namespace emend::text::jinja {
namespace {

// The tree as an S-expression: "1 + 2 * x" is (+ 1 (* 2 x)); _ is an omitted part.
std::string tree_of(const Expression* node) {
  if (!node) return "_";
  using Kind = Expression::Kind;
  std::string parts;
  for (const auto& part : node->parts) parts += " " + tree_of(part.get());
  for (const auto& [name, value] : node->named) parts += " " + name + "=" + tree_of(value.get());
  switch (node->kind) {
    case Kind::constant:
      return json_of(node->value);
    case Kind::variable:
      return node->name;
    case Kind::list:
      return "(list" + parts + ")";
    case Kind::map:
      return "(map" + parts + ")";
    case Kind::attribute:
      return "(attribute:" + node->name + parts + ")";
    case Kind::item:
      return "(item" + parts + ")";
    case Kind::slice:
      return "(slice" + parts + ")";
    case Kind::call:
      return "(call:" + node->name + parts + ")";
    case Kind::method:
      return "(method:" + node->name + parts + ")";
    case Kind::filter:
      return "(filter:" + node->name + parts + ")";
    case Kind::test:
      return "(test:" + node->name + parts + ")";
    case Kind::negate:
      return "(negate" + parts + ")";
    case Kind::logical_not:
      return "(not" + parts + ")";
    case Kind::logical_and:
      return "(and" + parts + ")";
    case Kind::logical_or:
      return "(or" + parts + ")";
    case Kind::concat:
      return "(~" + parts + ")";
    case Kind::condition:
      return "(if" + parts + ")";
    case Kind::compare:
    case Kind::binary:
      return "(" + node->name + parts + ")";
  }
  return "?";
}

std::string parsed(const std::string& text, bool tuple = false) {
  std::string tree;
  const auto failure = failure_of([&] {
    TokenStream tokens(tokenize("{{ " + text + " }}"));
    tokens.next();
    ExpressionParser parser(tokens, {"m"});
    tree = tree_of((tuple ? parser.tuple(true) : parser.expression()).get());
    tokens.expect(Token::Kind::output_end);
  });
  return failure == "no failure" ? tree : failure;
}

TEST(ExpressionParser, OrdersArithmetic) {
  EXPECT_EQ(parsed("1 + 2 * x"), "(+ 1 (* 2 x))");
  EXPECT_EQ(parsed("1 - 2 - 3"), "(- (- 1 2) 3)");
  EXPECT_EQ(parsed("8 / 4 // 2 % 3"), "(% (// (/ 8 4) 2) 3)");
  EXPECT_EQ(parsed("(1 + 2) * 3"), "(* (+ 1 2) 3)");
  EXPECT_EQ(parsed("-x * -2"), "(* (negate x) (negate 2))");
  EXPECT_EQ(parsed("-x.a"), "(negate (attribute:a x))");
}

TEST(ExpressionParser, OrdersConcatenationBetweenProductsAndSums) {
  EXPECT_EQ(parsed("a ~ b * c ~ d"), "(~ a (* b c) d)");
  EXPECT_EQ(parsed("a ~ b + c"), "(+ (~ a b) c)");
}

TEST(ExpressionParser, OrdersComparisonsAndLogic) {
  EXPECT_EQ(parsed("a or b and not c == d + 1"), "(or a (and b (not (== c (+ d 1)))))");
  EXPECT_EQ(parsed("a and b or c"), "(or (and a b) c)");
  EXPECT_EQ(parsed("a or b or c"), "(or (or a b) c)");
  EXPECT_EQ(parsed("a not in b"), "(not in a b)");
  EXPECT_EQ(parsed("not a in b"), "(not (in a b))");
  for (const char* sign : {"==", "!=", "<", ">", "<=", ">=", "in"})
    EXPECT_EQ(parsed(std::string("a ") + sign + " b"), "(" + std::string(sign) + " a b)");
}

TEST(ExpressionParser, ReadsConditions) {
  EXPECT_EQ(parsed("a if b else c"), "(if b a c)");
  EXPECT_EQ(parsed("a if b"), "(if b a _)");
  EXPECT_EQ(parsed("a if b else c if d else e"), "(if b a (if d c e))");
  EXPECT_EQ(parsed("a or b if c or d else e"), "(if (or c d) (or a b) e)");
}

TEST(ExpressionParser, ReadsListsOfExpressionsWithCommas) {
  EXPECT_EQ(parsed("a, b if c, d", true), "(list a (if c b _) d)");
  EXPECT_EQ(parsed("a,", true), "(list a)");
  EXPECT_EQ(parsed("a", true), "a");
}

// operand_parser.cpp
TEST(ExpressionParser, ReadsConstants) {
  EXPECT_EQ(parsed("12"), "12");
  EXPECT_EQ(parsed("1.5"), "1.5");
  EXPECT_EQ(parsed("'a' \"b\""), R"("ab")");
  EXPECT_EQ(parsed("[true, True, false, False, none, None]"),
            "(list true true false false null null)");
  EXPECT_EQ(parsed("9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(parsed("9223372036854775808"), refused("line 1: the number '9223372036854775808'"));
}

TEST(ExpressionParser, ReadsListsAndMappings) {
  EXPECT_EQ(parsed("[]"), "(list)");
  EXPECT_EQ(parsed("[1, a if b, ]"), "(list 1 (if b a _))");
  EXPECT_EQ(parsed("()"), "(list)");
  EXPECT_EQ(parsed("(1,)"), "(list 1)");
  EXPECT_EQ(parsed("(1, 2)"), "(list 1 2)");
  EXPECT_EQ(parsed("{}"), "(map)");
  EXPECT_EQ(parsed("{'a': 1, b: [2],}"), R"((map "a" 1 b (list 2)))");
}

TEST(ExpressionParser, ReadsAttributesItemsAndSlices) {
  EXPECT_EQ(parsed("a.b.c"), "(attribute:c (attribute:b a))");
  EXPECT_EQ(parsed("a.0.1"), "(item (item a 0) 1)");
  EXPECT_EQ(parsed("a['b'][0]"), R"((item (item a "b") 0))");
  EXPECT_EQ(parsed("a[:]"), "(slice a _ _ _)");
  EXPECT_EQ(parsed("a[1:]"), "(slice a 1 _ _)");
  EXPECT_EQ(parsed("a[:2]"), "(slice a _ 2 _)");
  EXPECT_EQ(parsed("a[::-1]"), "(slice a _ _ (negate 1))");
  EXPECT_EQ(parsed("a[1:2:3]"), "(slice a 1 2 3)");
  EXPECT_EQ(parsed("'x'.upper().b"), R"((attribute:b (method:upper "x")))");
}

TEST(ExpressionParser, ReadsCalls) {
  EXPECT_EQ(parsed("range(1, 2)"), "(call:range 1 2)");
  EXPECT_EQ(parsed("m(1, a=2, b=3)"), "(call:m 1 a=2 b=3)");
  EXPECT_EQ(parsed("a.split(',', )"), R"((method:split a ","))");
  EXPECT_EQ(parsed("m(a=1, 2)"), "line 1: '2' is unexpected");
}

TEST(ExpressionParser, ReadsFiltersAndTestsFromTheLeft) {
  EXPECT_EQ(parsed("a|trim|join('-')"), R"((filter:join (filter:trim a) "-"))");
  EXPECT_EQ(parsed("a|tojson(indent=2)"), "(filter:tojson a indent=2)");
  EXPECT_EQ(parsed("-a|trim"), "(filter:trim (negate a))");
  EXPECT_EQ(parsed("a + b|trim"), "(+ a (filter:trim b))");
  EXPECT_EQ(parsed("a is defined"), "(test:defined a)");
  EXPECT_EQ(parsed("a is not none"), "(not (test:none a))");
  EXPECT_EQ(parsed("a is equalto 'b' and c"), R"((and (test:equalto a "b") c))");
  EXPECT_EQ(parsed("a is in([1])"), "(test:in a (list 1))");
  EXPECT_EQ(parsed("a is in [1]"), "(test:in a (list 1))");
  EXPECT_EQ(parsed("a is eq b.c"), "(test:eq a (attribute:c b))");
}

TEST(ExpressionParser, NamesWhatIsNotImplemented) {
  const std::pair<const char*, const char*> cases[] = {
      {"1 < 2 < 3", "a chain of comparisons"},
      {"+1", "the unary '+'"},
      {"2 ** 3", "the operator '**'"},
      {"f(1)", "the function 'f'"},
      {"cycler('a')", "the function 'cycler'"},
      {"self", "the name 'self'"},
      {"a.format(1)", "the method 'format'"},
      {"a|dictsort", "the filter 'dictsort'"},
      {"a is escaped", "the test 'escaped'"},
      {"range(*a)", "argument unpacking by '*'"},
      {"range(**a)", "argument unpacking by '*'"},
      {"a[0](1)", "calling a value"},
  };
  for (const auto& [text, construct] : cases)
    EXPECT_EQ(parsed(text), refused(std::string("line 1: ") + construct)) << text;
}

TEST(ExpressionParser, NamesTheUnexpectedToken) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "'}}' is unexpected"},          {"1 +", "'}}' is unexpected"},
      {"a.", "'}}' is unexpected"},        {"a.'b'", "'b' is unexpected"},
      {"a[]", "']' is unexpected"},        {"{1}", "'}' is unexpected"},
      {"{1: 2 3}", "'3' is unexpected"},   {"[1 2]", "'2' is unexpected"},
      {"a b", "'b' is unexpected"},        {"a|1", "'1' is unexpected"},
      {"= 1", "'=' is unexpected"},        {"a is 1", "'1' is unexpected"},
      {"a[1:2:3:4]", "':' is unexpected"},
  };
  for (const auto& [text, problem] : cases)
    EXPECT_EQ(parsed(text), std::string("line 1: ") + problem) << text;
}

TEST(ExpressionParser, LimitsTheDepth) {
  const auto nested = [](const char* open, const char* close, int count) {
    std::string text = "1";
    for (int i = 0; i < count; ++i) text = open + text + close;
    return parsed(text).find("nested too deeply") != std::string::npos;
  };
  EXPECT_FALSE(nested("(", ")", 100));
  EXPECT_TRUE(nested("(", ")", 150));
  EXPECT_FALSE(nested("[", "]", 100));
  EXPECT_TRUE(nested("not ", "", 400));
  EXPECT_FALSE(nested("", "+1", 250));  // a deep tree without nesting
  EXPECT_TRUE(nested("", "+1", 310));
}

}  // namespace
}  // namespace emend::text::jinja
