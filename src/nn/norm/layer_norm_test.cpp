#include "nn/norm/layer_norm.h"

#include <gtest/gtest.h>

#include "nn/testing/finite_differences.h"

namespace emend {
namespace {

// (x - mean) / sqrt(variance + eps) * weight + bias, in float64.
at::Tensor layer_norm_formula(const at::Tensor& x, const LayerNorm& norm) {
  const auto wide = x.to(at::kDouble);
  const auto centered = wide - wide.mean(-1, true);
  const auto unit = centered / (centered.pow(2).mean(-1, true) + norm.eps).sqrt();
  return unit * norm.weight.to(at::kDouble) + norm.bias.to(at::kDouble);
}

// The mean is 3 and the variance 5, so that the square root is 3 with an epsilon of 4.
TEST(LayerNorm, HasTheseValues) {
  const auto row = [](std::vector<float> values) { return at::tensor(values); };
  const LayerNorm norm{row({1, 2, 3, 6}), row({0, 1, 0, 1}), 4, 4};
  const auto y = norm(row({0, 2, 4, 6}));
  EXPECT_TRUE(at::allclose(y, row({-1, 1.f / 3, 1, 7}), 1e-6, 1e-6)) << y;
}

TEST(LayerNorm, MatchesTheFormula) {
  at::manual_seed(1);
  const LayerNorm norm{at::randn({40}), at::randn({40}), 40, 1e-3};
  const auto x = at::randn({3, 5, 40}) * 0.1 + 2;
  const auto error = (norm(x).to(at::kDouble) - layer_norm_formula(x, norm)).abs().max();
  EXPECT_LT(error.item<double>(), 1e-4);
}

TEST(LayerNorm, GradientsAgreeWithFiniteDifferences) {
  at::manual_seed(2);
  const auto weight = at::randn({6}), bias = at::randn({6}), x = at::randn({2, 3, 6});
  const auto of_input = [&](const at::Tensor& t) { return LayerNorm{weight, bias, 6}(t); };
  const auto of_weight = [&](const at::Tensor& t) { return LayerNorm{t, bias, 6}(x); };
  const auto of_bias = [&](const at::Tensor& t) { return LayerNorm{weight, t, 6}(x); };
  EXPECT_LT(gradient_error(of_input, x), kGradientTolerance);
  EXPECT_LT(gradient_error(of_weight, weight), kGradientTolerance);
  EXPECT_LT(gradient_error(of_bias, bias), kGradientTolerance);
}

TEST(LayerNorm, OfBfloat16IsComputedInFloat32) {
  at::manual_seed(4);
  LayerNorm norm{at::randn({40}).to(at::kBFloat16), at::randn({40}).to(at::kBFloat16), 40, 1e-6};
  auto x = (at::randn({3, 5, 40}) * 7 + 50).to(at::kBFloat16).requires_grad_(true);
  const auto y = norm(x);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  const auto wide = layer_norm_formula(x, norm);
  const auto error = (y.to(at::kDouble) - wide).abs() / wide.abs().clamp_min(0.1);
  EXPECT_LT(error.max().item<double>(), 0.004);  // half a unit in the last place of bfloat16
  const auto gradient = torch::autograd::grad({y.to(at::kFloat).pow(2).sum()}, {x})[0];
  const auto expected = torch::autograd::grad({wide.pow(2).sum()}, {x})[0].to(at::kDouble);
  EXPECT_LT((gradient.to(at::kDouble) - expected).abs().max().item<double>(),
            0.02 * expected.abs().max().item<double>());
}

TEST(LayerNorm, WorksWithoutWeights) {
  for (auto dtype : {at::kFloat, at::kBFloat16}) {
    const auto y = LayerNorm{{}, {}, 40, 1e-6}(at::randn({3, 40}).to(dtype)).to(at::kFloat);
    EXPECT_LT(y.mean(-1).abs().max().item<double>(), 0.01);
    EXPECT_NEAR(y.pow(2).mean().item<double>(), 1, 0.01);
  }
}

}  // namespace
}  // namespace emend
