#include "nn/norm/rms_norm.h"

#include <gtest/gtest.h>

#include "nn/testing/finite_differences.h"

namespace emend {
namespace {

// The mean square is 12 and the epsilon 4, so that the divisor is 4.
TEST(RmsNorm, HasTheseValues) {
  const auto row = [](std::vector<float> values) { return at::tensor(values); };
  const RmsNorm norm{row({1, 2, -3}), 4};
  EXPECT_TRUE(at::allclose(norm(row({4, -4, 2})), row({1, -2, -1.5}), 1e-6, 1e-6));
}

TEST(RmsNorm, MatchesTheFormula) {
  at::manual_seed(1);
  const RmsNorm norm{at::randn({40}), 1e-3};
  const auto x = at::randn({3, 5, 40}) * 0.1, wide = x.to(at::kDouble);
  const auto expected = wide / (wide.pow(2).mean(-1, true) + 1e-3).sqrt() * norm.weight;
  EXPECT_LT((norm(x) - expected).abs().max().item<double>(), 1e-5);
}

TEST(RmsNorm, GradientsAgreeWithFiniteDifferences) {
  at::manual_seed(2);
  const auto weight = at::randn({6}), x = at::randn({2, 3, 6});
  const auto of_input = [&](const at::Tensor& t) { return RmsNorm{weight}(t); };
  const auto of_weight = [&](const at::Tensor& t) { return RmsNorm{t}(x); };
  EXPECT_LT(gradient_error(of_input, x), kGradientTolerance);
  EXPECT_LT(gradient_error(of_weight, weight), kGradientTolerance);
}

TEST(RmsNorm, IsComputedInFloat32AndRoundedBeforeScaling) {
  at::manual_seed(3);
  const RmsNorm norm{at::randn({40}).to(at::kBFloat16), 1e-3};
  const auto x = (at::randn({3, 5, 40}) * 0.05).to(at::kBFloat16);
  const auto wide = x.to(at::kDouble);
  const auto unit = wide / (wide.pow(2).mean(-1, true) + 1e-3).sqrt();
  const auto expected = unit.to(at::kFloat).to(at::kBFloat16) * norm.weight;
  EXPECT_EQ(norm(x).scalar_type(), at::kBFloat16);
  EXPECT_LT(norm(x).ne(expected).to(at::kFloat).mean().item<double>(), 0.01);
}

}  // namespace
}  // namespace emend
