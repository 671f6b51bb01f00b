#include "io/json/json_difference.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

using nlohmann::json;

void expect_difference(const json& ours, const json& theirs, const JsonDifference& expected) {
  const auto found = first_json_difference(ours, theirs);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->field, expected.field);
  EXPECT_EQ(found->ours, expected.ours);
  EXPECT_EQ(found->theirs, expected.theirs);
}

TEST(JsonDifference, NamesTheFieldAndBothValues) {
  expect_difference({{"a", {{"b", 1}}}}, {{"a", {{"b", 2}}}}, {"a.b", "1", "2"});
  expect_difference({{"a", 1}}, {{"a", 1}, {"b", "x"}}, {"b", "nothing", "\"x\""});
  expect_difference({{"a", {1, 2}}}, {{"a", {1}}}, {"a", "[1,2]", "[1]"});
  expect_difference({{"a", std::string(100, 'x')}}, {{"a", 0}},
                    {"a", '"' + std::string(76, 'x') + "...", "0"});
}

TEST(JsonDifference, NoneIfEqualOrIgnored) {
  EXPECT_FALSE(first_json_difference({{"a", 1}}, {{"a", 1}}));
  EXPECT_FALSE(first_json_difference({{"a", {{"b", 1}}}}, {{"a", {{"b", 2}}}}, "a.b"));
  EXPECT_TRUE(first_json_difference({{"a", 1}, {"b", 1}}, {{"a", 2}, {"b", 2}}, "a"));
}

}  // namespace
}  // namespace emend
