#include "evaluation/edits/report/failure.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

std::string reason(nlohmann::json effect) {
  EditVerdict edit;
  edit.effect = std::move(effect);
  return failure_reason(edit);
}

TEST(EditFailureTest, ReasonsNameTheStepsOfTheOptimization) {
  EXPECT_EQ(reason({{"steps", 40}, {"loss_after", 2.5}}), "40 steps were not enough");
  EXPECT_EQ(reason({{"steps", 1}, {"loss_after", 2.5}}), "one gradient step was not enough");
  EXPECT_EQ(reason({{"steps", 7}, {"loss_after", 1e9}, {"stop_reason", "diverged"}}),
            "the loss diverged after 7 steps");
  EXPECT_EQ(reason({{"steps", 2}, {"loss_after", 0.01}, {"holds", true}}),
            "the model learned the target's tokens in 2 steps, but the generated answer differs");
}

// SERAC and IKE measure no loss, LiveEdit measures one.
TEST(EditFailureTest, EditorsWithoutAnOptimizationHaveNoSteps) {
  const std::string expected = "the edit is applied, but the model still gives another answer";
  EXPECT_EQ(reason({{"steps", 0}}), expected);
  EXPECT_EQ(reason({{"steps", 0}, {"loss_after", 2.5}, {"holds", false}}), expected);
  EXPECT_EQ(reason({}), expected);
}

}  // namespace
}  // namespace emend
