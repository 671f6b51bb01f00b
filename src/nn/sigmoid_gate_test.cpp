#include "nn/sigmoid_gate.h"

#include <hwy/tests/hwy_gtest.h>

#include <cmath>
#include <limits>

#include "nn/activation.h"

namespace emend {
namespace {

struct Gate {
  Activation activation;
  double linear, cubic;
};
const double kTanh = 2 * std::sqrt(2 / M_PI);
const Gate kGates[] = {{Activation::silu, 1, 0},
                       {Activation::quick_gelu, 1.702, 0},
                       {Activation::gelu_tanh, kTanh, 0.044715 * kTanh}};

// Runs once on each target that this processor supports: SCALAR, SSE4, AVX2 and so on.
class SigmoidGateKernel : public hwy::TestWithParamTarget {};
HWY_TARGET_INSTANTIATE_TEST_SUITE_P(SigmoidGateKernel);

// For every bfloat16 number, the result is within one rounding of the formula in float64.
TEST_P(SigmoidGateKernel, IsCorrectForEveryNumber) {
  const auto bits = at::arange(-32768, 32768, at::kInt).to(at::kShort);
  const auto x = bits.view(at::kBFloat16);
  const auto wide = x.to(at::kDouble);
  for (const auto& [activation, linear, cubic] : kGates) {
    const auto exact = wide * at::sigmoid(wide * (linear + cubic * wide * wide));
    const auto ours = sigmoid_gate(x, linear, cubic);
    const auto finite = at::isfinite(exact) & at::isfinite(wide);
    const auto error = (ours.to(at::kDouble) - exact).abs();
    // The tolerance is half a unit in the last of 8 places, and a little for float32. Below 1e-36,
    // e^-x exceeds float32.
    const auto bound = exact.abs() * (0.5 / 128 + 1e-5) + 1e-36;
    const auto wrong = wide.masked_select((error <= bound).logical_not() & finite);
    EXPECT_EQ(wrong.numel(), 0) << "the first at " << (wrong.numel() ? wrong[0].item<double>() : 0);
    EXPECT_TRUE(at::isnan(ours).masked_select(at::isnan(x)).all().item<bool>());
    EXPECT_EQ(sigmoid_gate(at::full({1}, INFINITY, at::kBFloat16), linear, cubic).item<double>(),
              INFINITY);
    EXPECT_TRUE(at::equal(activate(x, activation).view(at::kShort), ours.view(at::kShort)));
  }
}

// Without a slope, the result is x / 2. The halves of odd subnormal numbers are ties.
TEST_P(SigmoidGateKernel, RoundsTiesToEven) {
  const auto x = at::arange(0x100, at::kInt).to(at::kShort).view(at::kBFloat16);
  const auto expected = (x.to(at::kFloat) / 2).to(at::kBFloat16);
  EXPECT_EQ(expected[1].item<double>(), 0);
  EXPECT_EQ(expected[3].item<double>(), x[2].item<double>());
  EXPECT_TRUE(at::equal(sigmoid_gate(x, 0, 0), expected));
  EXPECT_TRUE(at::equal(sigmoid_gate(-x, 0, 0), -expected));
}

// The last numbers of an array have the same bits as the others.
TEST_P(SigmoidGateKernel, ResultsDoNotDependOnThePosition) {
  const auto x = at::linspace(-9, 9, 301).to(at::kBFloat16);
  for (const auto& [activation, linear, cubic] : kGates) {
    const auto all = sigmoid_gate(x, linear, cubic);
    for (int64_t length : {1, 3, 14, 31})
      EXPECT_TRUE(
          at::equal(sigmoid_gate(x.narrow(0, 7, length), linear, cubic), all.narrow(0, 7, length)));
  }
}

TEST(SigmoidGate, AcceptsAnyShapeAndLeavesGradientsToLibTorch) {
  at::manual_seed(1);
  const auto x = at::randn({3, 5, 37}).to(at::kBFloat16);
  const auto turned = sigmoid_gate(x.transpose(0, 2), 1, 0);
  EXPECT_TRUE(at::equal(turned, sigmoid_gate(x, 1, 0).transpose(0, 2)));
  EXPECT_EQ(sigmoid_gate(at::empty({0, 4}, at::kBFloat16), 1, 0).numel(), 0);
  EXPECT_FALSE(has_sigmoid_gate(x.to(at::kFloat)));
  const auto leaf = x.clone().requires_grad_(true);
  EXPECT_FALSE(has_sigmoid_gate(leaf));
  EXPECT_TRUE(activate(leaf, Activation::silu).requires_grad());
  at::NoGradGuard no_grad;
  EXPECT_TRUE(has_sigmoid_gate(leaf));
}

}  // namespace
}  // namespace emend
