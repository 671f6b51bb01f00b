#include "editing/editors/locate/solve/picture_change.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

at::Tensor positive_definite(int64_t d) {
  const auto a = at::randn({d, d}, at::kDouble);
  return at::matmul(a, a.t()) + at::eye(d, at::kDouble);
}

class PictureChangeTest : public ::testing::Test {
 protected:
  void SetUp() override { at::manual_seed(3); }
};

TEST_F(PictureChangeTest, NormIsTheExpectedChangeOfOtherInputs) {
  const auto c = positive_definite(12), solved = at::randn({12, 4}, at::kDouble);
  const auto change = PictureChange::of(solved, c);
  EXPECT_TRUE(
      at::allclose(change.basis.t().matmul(c).matmul(change.basis), at::eye(4, at::kDouble)));
  // Z^T B^T is the change R^T X^T of the residuals R = W Z.
  const auto z = at::randn({4, 7}, at::kDouble);
  const auto residuals = change.to_residual.matmul(z);
  const auto delta = residuals.t().matmul(solved.t());
  EXPECT_TRUE(at::allclose(delta, z.t().matmul(change.basis.t())));
  const auto expected = delta.matmul(c).matmul(delta.t()).trace();
  EXPECT_NEAR(expected.item<double>(), z.square().sum().item<double>(), 1e-8);
  const auto x = at::randn({3, 5, 12});
  EXPECT_TRUE(at::allclose(at::matmul(change.coordinates(x), z.to(at::kFloat)),
                           at::matmul(x, delta.t().to(at::kFloat)), 1e-4, 1e-4));
}

TEST_F(PictureChangeTest, EqualKeysHaveNoLargeDirections) {
  const auto key = at::randn({12, 1}, at::kDouble);
  const auto change = PictureChange::of(at::cat({key, key}, 1), {});
  EXPECT_TRUE(at::isfinite(change.basis).all().item<bool>());
  EXPECT_NEAR(change.basis.norm().item<double>(), 1, 1e-2) << "one direction of unit norm";
}

}  // namespace
}  // namespace emend
