#include <gtest/gtest.h>

#include "text/testing/jinja.h"

namespace emend::text::jinja {
namespace {

struct FilterCase {
  const char *name, *value, *arguments, *expected;
};

Value filtered(const char* name, const Value& value, const char* arguments = "[]") {
  Budget budget;
  return run_filter(name, value, arguments_of(arguments), budget);
}
void filters_agree(const std::vector<FilterCase>& cases) {
  for (const auto& [name, value, arguments, expected] : cases)
    EXPECT_EQ(json_of(filtered(name, value_of(value), arguments)), expected)
        << value << "|" << name << arguments;
}
std::string filter_failure(const char* name, const char* value, const char* arguments = "[]") {
  return failure_of([&] { filtered(name, value_of(value), arguments); });
}

// The expected values are those of Jinja.
TEST(Filters, ChangeTheCase) {
  filters_agree({{"upper", R"("aBc1")", "[]", R"("ABC1")"},
                 {"lower", R"("aBc1")", "[]", R"("abc1")"},
                 {"capitalize", R"("hELLO wORLD")", "[]", R"("Hello world")"},
                 {"capitalize", R"("")", "[]", R"("")"}});
  EXPECT_EQ(filter_failure("upper", R"("é")"), refused("upper or lower case beyond ASCII"));
}

TEST(Filters, MeasureTheLength) {
  filters_agree({{"length", R"("aé星")", "[]", "3"},
                 {"length", "[1, [2, 3]]", "[]", "2"},
                 {"count", R"({"a": 1, "b": 2, "c": 3})", "[]", "3"}});
  EXPECT_EQ(json_of(filtered("length", Value::undefined("x"))), "0");
  EXPECT_EQ(filter_failure("length", "5"), "a number has no length");
  EXPECT_EQ(failure_of([] { filtered("length", Value::list({}, true)); }),
            "a generator has no length");
}

TEST(Filters, GiveADefault) {
  filters_agree({{"default", "0", "[5]", "0"},
                 {"default", "0", "[5, true]", "5"},
                 {"default", R"("x")", "[5, true]", R"("x")"},
                 {"default", "0", R"({"default_value": 6, "boolean": true})", "6"},
                 {"d", "null", "[5]", "null"}});
  EXPECT_EQ(json_of(filtered("default", Value::undefined("x"), "[5]")), "5");
  EXPECT_EQ(json_of(filtered("d", Value::undefined("x"))), R"("")");
}

TEST(Filters, TakeTheItemAtAnEnd) {
  filters_agree({{"first", "[7, 8, 9]", "[]", "7"},
                 {"last", "[7, 8, 9]", "[]", "9"},
                 {"first", R"("éa")", "[]", R"("é")"},
                 {"last", R"("aé")", "[]", R"("é")"},
                 {"first", R"({"b": 1, "a": 2})", "[]", R"("b")"}});
  EXPECT_TRUE(filtered("first", value_of("[]")).is_undefined());
  EXPECT_TRUE(filtered("last", value_of("\"\"")).is_undefined());
  EXPECT_EQ(failure_of([] { filtered("last", Value::list({}, true)); }),
            refused("'last' of a generator"));
}

TEST(Filters, JoinItems) {
  filters_agree({{"join", R"(["a", 1, true, null])", R"([", "])", R"("a, 1, True, None")"},
                 {"join", R"(["a", "b"])", "[]", R"("ab")"},
                 {"join", R"("abc")", R"(["-"])", R"("a-b-c")"},
                 {"join", R"([{"n": "a"}, {"n": "b"}])", R"(["+", "n"])", R"("a+b")"},
                 {"join", R"([{"n": "a"}])", R"({"attribute": "n"})", R"("a")"},
                 {"join", "[]", R"(["-"])", R"("")"}});
  EXPECT_EQ(filter_failure("join", "5"), "a number cannot be iterated");
}

TEST(Filters, ListItems) {
  filters_agree({{"list", R"("aé")", "[]", R"(["a", "é"])"},
                 {"list", R"({"b": 1, "a": 2})", "[]", R"(["b", "a"])"},
                 {"items", R"({"b": 1, "a": 2})", "[]", R"([["b", 1], ["a", 2]])"}});
  EXPECT_EQ(json_of(filtered("items", Value::undefined("x"))), "[]");
  EXPECT_EQ(filter_failure("items", "[1]"), "a list has no items");
}

TEST(Filters, MapItemsByAnAttributeOrAFilter) {
  filters_agree(
      {{"map", R"([{"a": {"b": 1}}, {"a": {"b": 2}}])", R"({"attribute": "a.b"})", "[1, 2]"},
       {"map", "[[7, 8], [9]]", R"({"attribute": 0})", "[7, 9]"},
       {"map", "[[[7], 8]]", R"({"attribute": "0.0"})", "[7]"},
       {"map", R"([{"a": 1}, {}])", R"({"attribute": "a", "default": 5})", "[1, 5]"},
       {"map", R"(["a", "b"])", R"(["upper"])", R"(["A", "B"])"},
       {"map", R"([["a", "b"], ["c"]])", R"(["join", "-"])", R"(["a-b", "c"])"},
       {"map", "[]", R"(["upper"])", "[]"}});
  EXPECT_EQ(filter_failure("map", "[1]"), "map needs a filter or an attribute");
  EXPECT_EQ(filter_failure("map", "[1]", R"(["sort"])"), refused("the filter 'sort'"));
  EXPECT_EQ(filter_failure("map", "[1]", R"(["map"])"), refused("map with the filter 'map'"));
  EXPECT_EQ(filter_failure("map", "[1]", R"({"attribute": null})"), "an attribute name is none");
}

TEST(Filters, SelectItemsByAnAttribute) {
  const char* const kRoles = R"([{"r": "u", "n": 1}, {"r": "a", "n": 0}, {"n": 2}])";
  filters_agree({{"selectattr", kRoles, R"(["r", "equalto", "u"])", R"([{"r": "u", "n": 1}])"},
                 {"rejectattr", kRoles, R"(["r", "defined"])", R"([{"n": 2}])"},
                 {"selectattr", kRoles, R"(["n"])", R"([{"r": "u", "n": 1}, {"n": 2}])"},
                 {"rejectattr", kRoles, R"(["n"])", R"([{"r": "a", "n": 0}])"},
                 {"selectattr", "null", R"(["n"])", "[]"}});
  EXPECT_EQ(filter_failure("selectattr", "[1]"), "selectattr needs an attribute name");
  EXPECT_EQ(filter_failure("rejectattr", "[1]", R"(["r", "escaped"])"),
            refused("the test 'escaped'"));
}

TEST(Filters, ReplaceText) {
  filters_agree({{"replace", R"("aaa")", R"(["a", "b"])", R"("bbb")"},
                 {"replace", R"("aaa")", R"(["a", "b", 2])", R"("bba")"},
                 {"replace", R"("aaa")", R"(["aa", "b"])", R"("ba")"},
                 {"replace", "151", R"(["1", "2"])", R"("252")"}});
  EXPECT_EQ(filter_failure("replace", R"("a")", R"(["", "b"])"),
            refused("'replace' of an empty string"));
  EXPECT_EQ(filter_failure("replace", R"("a")", R"(["a"])"), "the argument 'new' is missing");
  EXPECT_EQ(filter_failure("replace", R"("a")", R"(["a", "b", "c"])"),
            "the count of 'replace' must be an integer");
}

TEST(Filters, TrimText) {
  filters_agree({{"trim", R"(" \t\u3000a b\n ")", "[]", R"("a b")"},
                 {"trim", R"("xyaxy")", R"(["yx"])", R"("a")"},
                 {"trim", R"("xax")", R"({"chars": "x"})", R"("a")"},
                 {"string", "1.0", "[]", R"("1.0")"},
                 {"string", "true", "[]", R"("True")"}});
}

TEST(Filters, WriteJson) {
  filters_agree({{"tojson", R"({"b": [1, 2.5, null], "a": "é\n\"<"})", "[]",
                  R"("{\"b\": [1, 2.5, null], \"a\": \"é\\n\\\"<\"}")"},
                 {"tojson", R"({"a": [1], "b": {}})", R"({"indent": 2})",
                  R"("{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}")"}});
  EXPECT_EQ(filter_failure("tojson", "1", R"({"indent": 17})"),
            refused("'tojson' with an indent that is not 0 to 16"));
  EXPECT_EQ(filter_failure("tojson", "1", R"({"sort_keys": true})"),
            refused("'tojson' with the argument 'sort_keys'"));
  EXPECT_EQ(filter_failure("tojson", "1", R"({"ensure_ascii": true})"),
            refused("'tojson' with ensure_ascii"));
}

TEST(Filters, RefuseOtherArguments) {
  for (const char* name : {"upper", "length", "first", "last", "list", "items", "string"})
    EXPECT_EQ(filter_failure(name, "[]", "[1]"),
              refused("'" + std::string(name) + "' with 1 arguments"));
}

TEST(Filters, AreKnownByName) {
  EXPECT_TRUE(is_filter("tojson"));
  EXPECT_FALSE(is_filter("dictsort"));
  EXPECT_FALSE(is_filter(""));
}

}  // namespace
}  // namespace emend::text::jinja
