#include "editing/optim/adaptive_rate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace emend {
namespace {

using Action = AdaptiveRate::Action;

TEST(AdaptiveRateTest, FastProgressKeepsTheRate) {
  AdaptiveRate rate(1e-3);
  for (double loss = 10; loss > 0.01; loss *= 0.9) EXPECT_EQ(rate.judge(loss), Action::proceed);
  EXPECT_EQ(rate.rate(), 1e-3);
}

TEST(AdaptiveRateTest, RiseHalvesTheRate) {
  AdaptiveRate rate(1e-3);
  rate.judge(2);
  EXPECT_EQ(rate.judge(2.5), Action::proceed);
  EXPECT_EQ(rate.judge(4), Action::back_off);
  EXPECT_EQ(rate.rate(), 5e-4);
  EXPECT_EQ(rate.judge(std::nan("")), Action::back_off);
  EXPECT_EQ(rate.judge(std::numeric_limits<double>::infinity()), Action::back_off);
  EXPECT_EQ(rate.rate(), 1.25e-4);
}

TEST(AdaptiveRateTest, OscillationHalvesTheRate) {
  AdaptiveRate rate(1e-3);
  rate.judge(1);
  auto action = Action::proceed;
  int losses = 0;
  while (action == Action::proceed) {
    action = rate.judge(losses++ % 2 ? 1.1 : 1.2);
    ASSERT_LT(losses, 10);
  }
  EXPECT_EQ(action, Action::back_off);
}

TEST(AdaptiveRateTest, SlowProgressDoublesTheRateUpToALimit) {
  AdaptiveRate rate(1e-3);
  double loss = 5;
  int faster = 0;
  for (int i = 0; i < 300; ++i) {
    const auto action = rate.judge(loss -= 1e-3);
    ASSERT_TRUE(action == Action::proceed || action == Action::speed_up);
    faster += action == Action::speed_up;
  }
  EXPECT_EQ(faster, 4);
  EXPECT_DOUBLE_EQ(rate.rate(), 16e-3);
}

TEST(AdaptiveRateTest, GivesUpIfNoRateHelps) {
  AdaptiveRate rate(1e-3);
  rate.judge(1);
  auto action = Action::back_off;
  int times = 0;
  for (; action == Action::back_off; ++times) {
    ASSERT_LT(times, 100);
    action = rate.judge(std::nan(""));
  }
  EXPECT_EQ(action, Action::give_up);
  EXPECT_GT(times, 10);
}

}  // namespace
}  // namespace emend
