#include "evaluation/bench/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace emend {
namespace {

TEST(Schedule, ComputesPointsAndSamples) {
  using Points = std::vector<size_t>;
  EXPECT_EQ(judge_points({100, 1, 10}, 25, 1), (Points{1, 10, 25}));
  EXPECT_EQ(judge_points({100, 1, 10}, 25, 4), (Points{4, 12, 25}));
  EXPECT_EQ(judge_points({24, 1}, 25, 50), (Points{25}));
  EXPECT_EQ(judge_points({1, 10, 10, 0}, 10, 1), (Points{1, 10}));
  EXPECT_EQ(judge_points({}, 3, 1), (Points{3}));
  EXPECT_EQ(reevaluated_edits(1, 3, 5), (Points{0, 1, 2}));
  auto sample = reevaluated_edits(1, 1000, 50);
  EXPECT_EQ(sample.size(), 50u);
  EXPECT_TRUE(std::is_sorted(sample.begin(), sample.end()));
  EXPECT_EQ(std::adjacent_find(sample.begin(), sample.end()), sample.end());
  EXPECT_LT(sample.back(), 1000u);
  EXPECT_EQ(sample, reevaluated_edits(1, 1000, 50));
  EXPECT_NE(sample, reevaluated_edits(2, 1000, 50));
}

}  // namespace
}  // namespace emend
