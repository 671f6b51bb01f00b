#include "text/jinja/value.h"

#include <gtest/gtest.h>

#include <limits>

#include "text/testing/jinja.h"

namespace emend::text::jinja {
namespace {

TEST(Value, HasOneType) {
  // The JSON of a value, and its kind, truth and depth.
  const auto described = [](const char* json) {
    const auto value = value_of(json);
    return std::string(value.kind()) + (value.truth() ? " true " : " false ") +
           std::to_string(value.depth());
  };
  EXPECT_EQ(described("null"), "none false 0");
  EXPECT_EQ(described("true"), "a boolean true 0");
  EXPECT_EQ(described("false"), "a boolean false 0");
  EXPECT_EQ(described("0"), "a number false 0");
  EXPECT_EQ(described("-2"), "a number true 0");
  EXPECT_EQ(described("0.0"), "a number false 0");
  EXPECT_EQ(described("\"\""), "a string false 0");
  EXPECT_EQ(described("\"a\""), "a string true 0");
  EXPECT_EQ(described("[]"), "a list false 1");
  EXPECT_EQ(described("[[[]]]"), "a list true 3");
  EXPECT_EQ(described("{}"), "a mapping false 1");
  EXPECT_EQ(described("{\"a\": [0]}"), "a mapping true 2");
}

TEST(Value, HasOtherTypesThatJsonLacks) {
  EXPECT_STREQ(Value::undefined("x").kind(), "undefined");
  EXPECT_FALSE(Value::undefined("x").truth());
  EXPECT_STREQ(Value::new_namespace().kind(), "a namespace");
  EXPECT_TRUE(Value::new_namespace().truth());
  EXPECT_STREQ(Value::function("range").kind(), "a function");
  EXPECT_STREQ(Value::list({}, true).kind(), "a generator");
  EXPECT_TRUE(Value::list({}, true).truth());
}

// Python's str.
TEST(Value, IsWrittenAsInPython) {
  const auto text = [](const char* json) { return to_text(value_of(json)); };
  EXPECT_EQ(text("null"), "None");
  EXPECT_EQ(text("true"), "True");
  EXPECT_EQ(text("-12"), "-12");
  EXPECT_EQ(text("2.0"), "2.0");
  EXPECT_EQ(text("0.1"), "0.1");
  EXPECT_EQ(text("1e22"), "1e+22");
  EXPECT_EQ(text("1e-5"), "1e-05");
  EXPECT_EQ(text("\"é\""), "é");
  EXPECT_EQ(to_text(Value::undefined("x")), "");
  EXPECT_EQ(to_text(Value(std::numeric_limits<double>::infinity())), "inf");
  EXPECT_EQ(failure_of([&] { text("[1]"); }), refused("a list as text"));
  EXPECT_EQ(failure_of([&] { text("{}"); }), refused("a mapping as text"));
  EXPECT_EQ(failure_of([] { to_text(Value::function("f")); }), refused("a function as text"));
}

// Python's json.dumps with ensure_ascii=False.
TEST(Value, IsWrittenAsJson) {
  const auto json = [](const char* value, int indent) {
    Budget budget;
    return to_json(value_of(value), indent, budget);
  };
  EXPECT_EQ(json(R"({"b":[1,true,null],"a":{"x":2.0}})", -1),
            R"({"b": [1, true, null], "a": {"x": 2.0}})");
  EXPECT_EQ(json(R"("\"\\/\b\f\n\r\t\u0001\u001f\u007f\u2028é")", -1),
            "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\u2028é\"");
  EXPECT_EQ(json("[[],{},[1,2]]", 1), "[\n [],\n {},\n [\n  1,\n  2\n ]\n]");
  EXPECT_EQ(json("[1,{\"a\":2}]", 0), "[\n1,\n{\n\"a\": 2\n}\n]");
  Budget budget;
  EXPECT_EQ(
      failure_of([&] { to_json(Value(std::numeric_limits<double>::infinity()), -1, budget); }),
      refused("a number that is not finite in tojson"));
  EXPECT_EQ(failure_of([&] { to_json(Value::undefined("x"), -1, budget); }),
            "tojson does not support undefined");
}

TEST(Value, IsEqualToValuesOfTheSameMeaning) {
  Budget budget;
  const auto same = [&](const char* a, const char* b) {
    return equal(value_of(a), value_of(b), budget);
  };
  EXPECT_TRUE(same("1", "1.0"));
  EXPECT_TRUE(same("true", "1"));
  EXPECT_FALSE(same("\"1\"", "1"));
  EXPECT_FALSE(same("null", "false"));
  EXPECT_TRUE(same("[1, [2]]", "[1.0, [2]]"));
  EXPECT_FALSE(same("[1, 2]", "[1]"));
  EXPECT_TRUE(same(R"({"a": 1, "b": 2})", R"({"b": 2, "a": 1})"));
  EXPECT_FALSE(same(R"({"a": 1})", R"({"b": 1})"));
  EXPECT_TRUE(equal(Value::undefined("x"), Value::undefined("y"), budget));
  const auto names = Value::new_namespace();
  EXPECT_TRUE(equal(names, names, budget));
  EXPECT_FALSE(equal(names, Value::new_namespace(), budget));
}

TEST(Value, IsOrderedAmongNumbersOrStrings) {
  const auto order = [](const char* a, const char* b) { return compare(value_of(a), value_of(b)); };
  EXPECT_LT(order("1", "1.5"), 0);
  EXPECT_EQ(order("true", "1"), 0);
  EXPECT_GT(order("9007199254740993", "9007199254740992"), 0);  // not as floating-point numbers
  EXPECT_LT(order("\"B\"", "\"a\""), 0);
  EXPECT_LT(order("\"é\"", "\"星\""), 0);
  EXPECT_EQ(failure_of([&] { order("[1]", "[2]"); }), "a list and a list cannot be ordered");
}

TEST(Value, ContainsItemsKeysOrText) {
  Budget budget;
  const auto has = [&](const char* all, const char* item) {
    return contains(value_of(all), value_of(item), budget);
  };
  EXPECT_TRUE(has("[1, 2]", "2.0"));
  EXPECT_FALSE(has("[1, 2]", "3"));
  EXPECT_TRUE(has(R"({"a": 1})", "\"a\""));
  EXPECT_FALSE(has(R"({"a": 1})", "1"));
  EXPECT_TRUE(has("\"abc\"", "\"bc\""));
  EXPECT_TRUE(has("\"abc\"", "\"\""));
  EXPECT_EQ(failure_of([&] { has("\"1\"", "1"); }), "a string cannot contain a number");
  EXPECT_EQ(failure_of([&] { has("{}", "[]"); }), "a list cannot be a key");
  EXPECT_EQ(failure_of([&] { has("5", "1"); }), "a number cannot be iterated");
}

TEST(Value, IsIteratedByItemsKeysOrCharacters) {
  Budget budget;
  const auto items = [&](const char* json) {
    return json_of(Value::list(items_of(value_of(json), budget)));
  };
  EXPECT_EQ(items("[1, [2]]"), "[1, [2]]");
  EXPECT_EQ(items(R"({"b": 1, "a": 2})"), R"(["b", "a"])");
  EXPECT_EQ(items("\"aé星\""), R"(["a", "é", "星"])");
  EXPECT_TRUE(items_of(Value::undefined("x"), budget).empty());
  EXPECT_EQ(failure_of([&] { items("null"); }), "none cannot be iterated");
}

TEST(Value, OfAGeneratorIsIteratedOnce) {
  Budget budget;
  const auto generator = Value::list({Value(int64_t{1})}, true);
  EXPECT_EQ(items_of(generator, budget).size(), 1u);
  EXPECT_EQ(failure_of([&] { items_of(generator, budget); }),
            "a generator can be iterated only once");
}

TEST(Value, ReadsJsonStrictly) {
  const auto problem = [](const nlohmann::ordered_json& json) {
    return failure_of([&] { Value::from_json(json); });
  };
  EXPECT_EQ(problem(uint64_t{1} << 63), refused("a number of more than 64 bits"));
  EXPECT_EQ(problem("a\xff"), "a string in the messages or variables is not UTF-8");
  EXPECT_EQ(problem({{"\xff", 1}}), "a string in the messages or variables is not UTF-8");
  EXPECT_EQ(problem(nlohmann::ordered_json::binary({1})), refused("binary data in messages"));
  nlohmann::ordered_json nested = 1;
  for (int depth = 0; depth < 100; ++depth)
    nested = nlohmann::ordered_json::array({std::move(nested)});
  EXPECT_EQ(problem(nested), "no failure");
  nested = nlohmann::ordered_json::array({std::move(nested)});
  EXPECT_EQ(problem(nested), "values are nested more than 100 deep");
}

}  // namespace
}  // namespace emend::text::jinja
