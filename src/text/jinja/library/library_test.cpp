#include "text/jinja/library/library.h"

#include <gtest/gtest.h>

#include "text/testing/jinja.h"

namespace emend::text::jinja {
namespace {

std::string ran(const char* name, const char* arguments) {
  std::tm now{};
  ::strptime("2024-07-06", "%Y-%m-%d", &now);
  std::string result;
  const auto failure = failure_of([&] {
    Budget budget;
    result = json_of(run_function(name, arguments_of(arguments), now, budget));
  });
  return failure == "no failure" ? result : failure;
}

TEST(Library, MakesRanges) {
  EXPECT_EQ(ran("range", "[3]"), "[0, 1, 2]");
  EXPECT_EQ(ran("range", "[2, 5]"), "[2, 3, 4]");
  EXPECT_EQ(ran("range", "[5, 0, -2]"), "[5, 3, 1]");
  EXPECT_EQ(ran("range", "[1, 1]"), "[]");
  EXPECT_EQ(ran("range", "[]"), "range needs an integer");
  EXPECT_EQ(ran("range", "[1.5]"), "range takes integers, not a number");
  EXPECT_EQ(ran("range", "[0, 1, 0]"), "the step of a range is 0");
  EXPECT_EQ(ran("range", "[100001]"), "the range is too long");
  EXPECT_EQ(ran("range", "[0, 1000001, 1000000]"), "the range is too long");
  EXPECT_EQ(ran("range", "[0, 1, 2, 3]"), refused("'range' with 4 arguments"));
}

TEST(Library, FormatsTheDate) {
  EXPECT_EQ(ran("strftime_now", R"(["%d %b %Y, %A, %j, %%"])"),
            R"("06 Jul 2024, Saturday, 188, %")");
  EXPECT_EQ(ran("strftime_now", R"([""])"), R"("")");
  EXPECT_EQ(ran("strftime_now", R"(["%c"])"), refused("'%c' in a date format"));
  EXPECT_EQ(ran("strftime_now", R"(["a%"])"), refused("'%' in a date format"));
  EXPECT_EQ(ran("strftime_now", "[]"), "the argument 'format' is missing");
}

TEST(Library, RaisesExceptions) {
  EXPECT_EQ(ran("raise_exception", R"(["Only one system message."])"),
            "the template refuses these messages: Only one system message.");
  EXPECT_EQ(ran("raise_exception", "[1]"),
            "the argument 'message' should be a string, not a number");
}

TEST(Library, MakesNamespaces) {
  Budget budget;
  const auto made = run_function("namespace", arguments_of(R"({"a": 1})"), {}, budget);
  ASSERT_TRUE(made.names());
  EXPECT_EQ(json_of(made.names()->at("a")), "1");
  EXPECT_EQ(ran("namespace", "[1]"), refused("'namespace' with unnamed arguments"));
}

TEST(Library, KnowsItsFunctions) {
  for (const char* name : {"raise_exception", "namespace", "range", "strftime_now"})
    EXPECT_TRUE(is_function(name)) << name;
  EXPECT_FALSE(is_function("dict"));
}

TEST(Library, FindsArgumentsByPlaceOrName) {
  const auto given = arguments_of(R"(["a", 1])");
  EXPECT_EQ(given.text(0, "x"), "a");
  EXPECT_EQ(json_of(*given.get(1, "y")), "1");
  EXPECT_EQ(given.get(2, "z"), nullptr);
  const auto named = arguments_of(R"({"y": 2})");
  EXPECT_EQ(json_of(*named.get(0, "y")), "2");
  EXPECT_EQ(named.get(0, "x"), nullptr);
  EXPECT_EQ(failure_of([&] { named.check("f", 0, {"x"}); }), refused("'f' with the argument 'y'"));
  EXPECT_EQ(failure_of([&] { named.check("f", 0, {"x", "y"}); }), "no failure");
}

// As in Jinja: a.b is an attribute first, and a['b'] an item first.
TEST(Library, FindsAttributesOfValues) {
  const auto attribute = [](const char* json, const char* name) {
    return json_of(attribute_of(value_of(json), name));
  };
  EXPECT_EQ(attribute(R"({"a": 1})", "a"), "1");
  EXPECT_EQ(attribute(R"({"a": 1})", "b"), "undefined");
  EXPECT_EQ(attribute("[1]", "a"), "undefined");
  EXPECT_EQ(attribute("null", "items"), "undefined");
  EXPECT_EQ(failure_of([&] { attribute(R"({"items": 1})", "items"); }),
            refused("the member 'items' of a mapping"));
  EXPECT_EQ(failure_of([&] { attribute("\"a\"", "upper"); }),
            refused("the member 'upper' of a string"));
  EXPECT_EQ(failure_of([] { attribute_of(Value::undefined("x"), "a"); }),
            "'x' is undefined, so it has no 'a'");
}

TEST(Library, FindsItemsOfValues) {
  const auto item = [](const char* json, const char* key) {
    Budget budget;
    return json_of(item_of(value_of(json), value_of(key), budget));
  };
  EXPECT_EQ(item(R"({"items": 1})", "\"items\""), "1");
  EXPECT_EQ(item(R"({"a": 1})", "\"b\""), "undefined");
  EXPECT_EQ(item(R"({"1": 1})", "1"), "undefined");
  EXPECT_EQ(item("[7, 8]", "1"), "8");
  EXPECT_EQ(item("[7, 8]", "-2"), "7");
  EXPECT_EQ(item("[7, 8]", "2"), "undefined");
  EXPECT_EQ(item("[7, 8]", "-3"), "undefined");
  EXPECT_EQ(item("[7, 8]", "true"), "8");
  EXPECT_EQ(item("\"aé\"", "1"), "\"é\"");
  EXPECT_EQ(item("\"aé\"", "-1"), "\"é\"");
  EXPECT_EQ(item("5", "0"), "undefined");
  Budget budget;
  EXPECT_EQ(failure_of([&] { item_of(Value::list({}, true), value_of("0"), budget); }),
            refused("an item of a generator"));
}

}  // namespace
}  // namespace emend::text::jinja
