#include "editing/editors/last_prompt_positions.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

// Rows of 4, 2 and 3 tokens, with padding on one side.
Pass padded(bool left) {
  Pass pass;
  pass.positions = left ? at::tensor({0, 1, 2, 3, -1, -1, 0, 1, -1, 0, 1, 2}, at::kLong)
                        : at::tensor({0, 1, 2, 3, 0, 1, -1, -1, 0, 1, 2, -1}, at::kLong);
  pass.positions = pass.positions.view({3, 4});
  return pass;
}

TEST(LastPromptPositions, AreBeforeTheAnswers) {
  auto pass = padded(/*left=*/false);
  pass.prompt_lengths = at::tensor({2, 2, 1}, at::kLong);
  EXPECT_TRUE(at::equal(last_prompt_positions(pass).to(at::kLong),
                        at::tensor({0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0}, at::kLong).view({3, 4})));
  pass = padded(/*left=*/true);
  pass.prompt_lengths = at::tensor({4, 1, 3}, at::kLong);
  EXPECT_TRUE(at::equal(last_prompt_positions(pass).to(at::kLong),
                        at::tensor({0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1}, at::kLong).view({3, 4})));
}

TEST(LastPromptPositions, AStepOfGenerationHasNone) {
  const auto last = last_prompt_positions(padded(false));
  EXPECT_EQ(last.scalar_type(), at::kBool);
  EXPECT_FALSE(last.any().item<bool>());
}

}  // namespace
}  // namespace emend
