#include <gtest/gtest.h>

#include "text/testing/jinja.h"

namespace emend::text::jinja {
namespace {

struct MethodCase {
  const char *value, *name, *arguments, *expected;
};

Value called(const Value& value, const char* name, const char* arguments = "[]") {
  Budget budget;
  return run_method(name, value, arguments_of(arguments), budget);
}
void methods_agree(const std::vector<MethodCase>& cases) {
  for (const auto& [value, name, arguments, expected] : cases)
    EXPECT_EQ(json_of(called(value_of(value), name, arguments)), expected)
        << value << "." << name << arguments;
}
std::string method_failure(const char* value, const char* name, const char* arguments = "[]") {
  return failure_of([&] { called(value_of(value), name, arguments); });
}

// The expected values are those of Python.
TEST(Methods, ChangeTheCase) {
  methods_agree({{R"("aBc")", "upper", "[]", R"("ABC")"},
                 {R"("aBc")", "lower", "[]", R"("abc")"},
                 {R"("aBC dEF")", "capitalize", "[]", R"("Abc def")"},
                 {R"("it's a b2c dEF")", "title", "[]", R"("It'S A B2C Def")"}});
  EXPECT_EQ(method_failure(R"("a")", "upper", "[1]"),
            refused("an argument of a method without parameters"));
}

TEST(Methods, StripCharacters) {
  methods_agree({{R"(" \t\u3000\u001ca b\n ")", "strip", "[]", R"("a b")"},
                 {R"("  a  ")", "lstrip", "[]", R"("a  ")"},
                 {R"("  a  ")", "rstrip", "[]", R"("  a")"},
                 {R"("éxaxé")", "strip", R"(["éx"])", R"("a")"},
                 {R"("xax")", "lstrip", R"(["x"])", R"("ax")"},
                 {R"("xax")", "rstrip", R"(["x"])", R"("xa")"},
                 {R"("xxx")", "strip", R"(["x"])", R"("")"},
                 {R"(" a ")", "strip", "[null]", R"("a")"}});
  EXPECT_EQ(method_failure(R"("a")", "strip", "[1]"),
            "the characters to strip should be a string, not a number");
}

TEST(Methods, SplitAtWhiteSpace) {
  methods_agree({{R"("  a \n b\u3000c ")", "split", "[]", R"(["a", "b", "c"])"},
                 {R"(" a  b  c ")", "split", "[null, 1]", R"(["a", "b  c "])"},
                 {R"(" a b")", "split", "[null, 0]", R"(["a b"])"},
                 {R"("  ")", "split", "[]", "[]"}});
}

TEST(Methods, SplitAtASeparator) {
  methods_agree({{R"("a,b,,c")", "split", R"([","])", R"(["a", "b", "", "c"])"},
                 {R"("a,b,c")", "split", R"([",", 1])", R"(["a", "b,c"])"},
                 {R"("a,b")", "split", R"([",", 0])", R"(["a,b"])"},
                 {R"("")", "split", R"([","])", R"([""])"}});
  EXPECT_EQ(method_failure(R"("a")", "split", R"([""])"), "'split' by an empty string");
  EXPECT_EQ(method_failure(R"("a")", "split", R"([",", "1"])"), "a count is a string");
  EXPECT_EQ(method_failure(R"("a")", "split", "[1]"),
            "the argument 'sep' should be a string, not a number");
}

TEST(Methods, ReplaceText) {
  methods_agree({{R"("aaa")", "replace", R"(["a", "bc"])", R"("bcbcbc")"},
                 {R"("aaa")", "replace", R"(["a", "b", 1])", R"("baa")"},
                 {R"("aaa")", "replace", R"(["a", "b", 0])", R"("aaa")"},
                 {R"("aaa")", "replace", R"(["a", "b", -1])", R"("bbb")"}});
}

TEST(Methods, CompareTheStartAndTheEnd) {
  methods_agree({{R"("abc")", "startswith", R"(["ab"])", "true"},
                 {R"("abc")", "startswith", R"(["bc"])", "false"},
                 {R"("abc")", "endswith", R"(["bc"])", "true"},
                 {R"("abc")", "endswith", R"(["ab"])", "false"},
                 {R"("abc")", "endswith", R"(["xabc"])", "false"},
                 {R"("abc")", "startswith", R"([""])", "true"}});
  // A tuple of texts in Python, a list here.
  EXPECT_EQ(json_of(called(value_of(R"("abc")"), "startswith", R"([["x", "a"]])")), "true");
  EXPECT_EQ(method_failure(R"("a")", "startswith", "[[1]]"), "a string cannot start with a number");
  EXPECT_EQ(method_failure(R"("a")", "endswith", R"(["a", 1])"),
            refused("startswith or endswith with a range"));
}

TEST(Methods, JoinStrings) {
  methods_agree({{R"("-")", "join", R"([["a", "b"]])", R"("a-b")"},
                 {R"("-")", "join", R"(["abc"])", R"("a-b-c")"},
                 {R"("-")", "join", "[[]]", R"("")"}});
  EXPECT_EQ(method_failure(R"("-")", "join", "[[1]]"), "'join' takes strings, not a number");
  EXPECT_EQ(method_failure(R"("-")", "join"), "'join' needs a list");
}

TEST(Methods, ReadMappings) {
  const char* const kMap = R"({"b": 1, "a": null})";
  methods_agree({{kMap, "get", R"(["b"])", "1"},
                 {kMap, "get", R"(["a", 5])", "null"},
                 {kMap, "get", R"(["c", 5])", "5"},
                 {kMap, "get", R"(["c"])", "null"},
                 {kMap, "keys", "[]", R"(["b", "a"])"},
                 {kMap, "values", "[]", "[1, null]"},
                 {kMap, "items", "[]", R"([["b", 1], ["a", null]])"}});
  EXPECT_EQ(method_failure(kMap, "keys", "[1]"), "'keys' takes no arguments");
}

TEST(Methods, NameValuesWithoutTheMethod) {
  EXPECT_EQ(method_failure("5", "upper"), "a number has no method 'upper'");
  EXPECT_EQ(method_failure(R"({"a": 1})", "strip"), "a mapping has no method 'strip'");
  EXPECT_EQ(method_failure(R"("a")", "keys"), "a string has no method 'keys'");
  EXPECT_EQ(failure_of([] { called(Value::undefined("x"), "upper"); }),
            "'x' is undefined, so it has no 'upper'");
  EXPECT_EQ(method_failure(R"("a")", "strip", R"({"chars": "a"})"),
            refused("'strip' with the argument 'chars'"));
}

TEST(Methods, AreKnownByName) {
  EXPECT_TRUE(is_method("strip"));
  EXPECT_TRUE(is_method("items"));
  EXPECT_FALSE(is_method("format"));
}

}  // namespace
}  // namespace emend::text::jinja
