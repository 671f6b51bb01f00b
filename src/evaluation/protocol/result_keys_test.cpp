#include "evaluation/protocol/result_keys.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace emend {
namespace {

TEST(ResultKeys, OldNamesAreRenamedUpToTheDepth) {
  auto line = nlohmann::json::parse(
      R"({"while": "editing", "again": true, "patch": {"numbers": 3, "deep": [{"asked": 1}]}})");
  rename_old_result_keys(line, 1);
  EXPECT_EQ(line, nlohmann::json::parse(R"({"stage": "editing", "reevaluated": true,
                                            "patch": {"parameters": 3, "deep": [{"asked": 1}]}})"));
  rename_old_result_keys(line, 3);
  EXPECT_EQ(line["patch"]["deep"][0], nlohmann::json({{"requested", 1}}));
}

TEST(ResultKeys, PresentNamesStay) {
  auto line = nlohmann::json::parse(R"({"while": "old", "stage": "new", "text": "again"})");
  const auto before = line;
  rename_old_result_keys(line, 5);
  EXPECT_EQ(line, before);
}

}  // namespace
}  // namespace emend
