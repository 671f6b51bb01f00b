#include <gtest/gtest.h>

#include "text/testing/jinja.h"

namespace emend::text::jinja {
namespace {

bool passes(const Value& value, const char* name, const char* arguments = "[]") {
  Budget budget;
  return run_test(name, value, arguments_of(arguments), budget);
}

// Which of the values pass, as '1' and '0'. The expected results are those of Jinja.
std::string passing(const char* name) {
  std::string marks;
  for (const char* json : {"null", "true", "false", "1", "2", "1.5", "\"a\"", "[1]", "{\"a\": 1}"})
    marks += passes(value_of(json), name) ? '1' : '0';
  return marks;
}

TEST(Checks, TellTheTypesOfValues) {
  EXPECT_EQ(passing("none"), "100000000");
  EXPECT_EQ(passing("boolean"), "011000000");
  EXPECT_EQ(passing("true"), "010000000");
  EXPECT_EQ(passing("false"), "001000000");
  EXPECT_EQ(passing("integer"), "000110000");
  EXPECT_EQ(passing("float"), "000001000");
  EXPECT_EQ(passing("number"), "011111000");
  EXPECT_EQ(passing("string"), "000000100");
  EXPECT_EQ(passing("sequence"), "000000111");
  EXPECT_EQ(passing("iterable"), "000000111");
  EXPECT_EQ(passing("mapping"), "000000001");
  EXPECT_EQ(passing("defined"), "111111111");
  EXPECT_EQ(passing("undefined"), "000000000");
  EXPECT_EQ(passing("callable"), "000000000");
}

TEST(Checks, TellUndefinedValuesGeneratorsAndFunctions) {
  const auto undefined = Value::undefined("x");
  EXPECT_TRUE(passes(undefined, "undefined"));
  EXPECT_FALSE(passes(undefined, "defined"));
  EXPECT_TRUE(passes(undefined, "iterable"));
  EXPECT_TRUE(passes(undefined, "sequence"));
  EXPECT_TRUE(passes(Value::list({}, true), "iterable"));
  EXPECT_FALSE(passes(Value::list({}, true), "sequence"));
  EXPECT_TRUE(passes(Value::function("range"), "callable"));
}

TEST(Checks, TellOddFromEvenNumbers) {
  EXPECT_TRUE(passes(value_of("4"), "even"));
  EXPECT_FALSE(passes(value_of("-3"), "even"));
  EXPECT_TRUE(passes(value_of("-3"), "odd"));
  EXPECT_FALSE(passes(value_of("0"), "odd"));
  EXPECT_EQ(failure_of([] { passes(value_of("1.5"), "odd"); }),
            "an integer is needed, not a number");
}

TEST(Checks, CompareTwoValues) {
  // Results for a value that is smaller than, equal to, and greater than the argument.
  const auto results = [](const char* name) {
    std::string marks;
    for (const char* json : {"1", "2", "3"})
      marks += passes(value_of(json), name, "[2]") ? '1' : '0';
    return marks;
  };
  for (const char* name : {"eq", "equalto", "=="}) EXPECT_EQ(results(name), "010") << name;
  for (const char* name : {"ne", "!="}) EXPECT_EQ(results(name), "101") << name;
  for (const char* name : {"lt", "lessthan", "<"}) EXPECT_EQ(results(name), "100") << name;
  for (const char* name : {"le", "<="}) EXPECT_EQ(results(name), "110") << name;
  for (const char* name : {"gt", "greaterthan", ">"}) EXPECT_EQ(results(name), "001") << name;
  for (const char* name : {"ge", ">="}) EXPECT_EQ(results(name), "011") << name;
}

TEST(Checks, FindAnItem) {
  EXPECT_TRUE(passes(value_of("2"), "in", "[[1, 2]]"));
  EXPECT_FALSE(passes(value_of("3"), "in", "[[1, 2]]"));
  EXPECT_TRUE(passes(value_of("\"a\""), "in", R"([{"a": 1}])"));
  EXPECT_TRUE(passes(value_of("\"b\""), "in", R"(["abc"])"));
}

TEST(Checks, RefuseOtherArguments) {
  EXPECT_EQ(failure_of([] { passes(Value(), "none", "[1]"); }),
            refused("an argument of a test without parameters"));
  EXPECT_EQ(failure_of([] { passes(Value(), "eq"); }), "a comparison test needs one argument");
  EXPECT_EQ(failure_of([] { passes(Value(), "eq", "[1, 2]"); }),
            "a comparison test needs one argument");
}

TEST(Checks, AreKnownByName) {
  EXPECT_TRUE(is_test("defined"));
  EXPECT_FALSE(is_test("escaped"));
}

}  // namespace
}  // namespace emend::text::jinja
