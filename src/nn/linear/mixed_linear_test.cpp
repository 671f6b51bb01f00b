#include "nn/linear/mixed_linear.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "nn/linear/linear.h"

namespace emend {
namespace {

class MixedLinear : public ::testing::TestWithParam<at::ScalarType> {
 protected:
  MixedLinear() { at::manual_seed(1); }
  static at::Tensor stored(at::IntArrayRef shape) { return at::randn(shape).to(GetParam()); }
  // The largest difference, relative to the largest number.
  static double error(const at::Tensor& actual, const at::Tensor& expected) {
    return ((actual - expected).abs().max() / expected.abs().max()).item<double>();
  }
  static constexpr double kRounding = 1e-5;  // float32 sums in another order
};
INSTANTIATE_TEST_SUITE_P(Dtypes, MixedLinear, ::testing::Values(at::kBFloat16, at::kHalf));

TEST_P(MixedLinear, MatchesTheUpcastWeight) {
  for (int64_t rows : {1, 5, 33})
    for (int64_t in : {1, 31, 100})
      for (int64_t out : {1, 7, 300}) {
        const auto x = at::randn({2, rows, in}), weight = stored({out, in});
        for (const auto& bias : {at::Tensor(), at::randn({out})}) {
          const auto y = mixed_linear(x, weight, bias);
          ASSERT_EQ(y.sizes(), (std::vector<int64_t>{2, rows, out}));
          EXPECT_LT(error(y, at::linear(x, weight.to(at::kFloat), bias)), kRounding)
              << rows << " rows, " << in << " in, " << out << " out";
        }
      }
}

// The weight has more rows than one block, and the last block is smaller.
TEST_P(MixedLinear, WorksInBlocks) {
  const int64_t in = 4096, out = kUpcastRows * 2 + 3;
  const auto x = at::randn({6, in}), weight = stored({out, in}), bias = at::randn({out});
  EXPECT_LT(error(mixed_linear(x, weight, bias), at::linear(x, weight.to(at::kFloat), bias)),
            kRounding);
  auto leaf = at::randn({6, in}).requires_grad_(true);
  auto other = leaf.detach().clone().requires_grad_(true);
  mixed_linear(leaf, weight, bias).pow(2).sum().backward();
  at::linear(other, weight.to(at::kFloat), bias).pow(2).sum().backward();
  EXPECT_LT(error(leaf.grad(), other.grad()), kRounding);
}

TEST_P(MixedLinear, AcceptsNoRows) {
  EXPECT_EQ(mixed_linear(at::empty({0, 8}), stored({3, 8}), {}).sizes(),
            (std::vector<int64_t>{0, 3}));
}

// First-order and second-order gradients of the input and the bias.
TEST_P(MixedLinear, GradientsMatchTheUpcastWeight) {
  const auto weight = stored({13, 21}), wide = weight.to(at::kFloat);
  const auto start = at::randn({3, 4, 21}), shift = at::randn({13});
  const auto gradients = [&](const auto& product) {
    auto x = start.clone().requires_grad_(true), bias = shift.clone().requires_grad_(true);
    const auto loss = product(x, bias).pow(3).sum();
    const auto first = torch::autograd::grad({loss}, {x, bias}, {}, true, /*create_graph=*/true);
    const auto second = torch::autograd::grad({first[0].pow(2).sum()}, {x});
    return std::vector<at::Tensor>{first[0], first[1], second[0]};
  };
  const auto ours =
      gradients([&](const auto& x, const auto& b) { return mixed_linear(x, weight, b); });
  const auto theirs =
      gradients([&](const auto& x, const auto& b) { return at::linear(x, wide, b); });
  for (size_t i = 0; i < ours.size(); ++i) EXPECT_LT(error(ours[i], theirs[i]), kRounding) << i;
}

TEST_P(MixedLinear, IsUsedByLinear) {
  const Linear layer{stored({24, 40}), at::randn({24})};
  const auto x = at::randn({2, 9, 40});
  EXPECT_TRUE(is_mixed(x, layer.weight));
  EXPECT_TRUE(at::equal(layer(x, {}), mixed_linear(x, layer.weight, layer.bias)));
}

TEST_P(MixedLinear, EqualShapesGiveEqualBits) {
  const auto x = at::randn({9, 500}), weight = stored({700, 500});
  EXPECT_TRUE(at::equal(mixed_linear(x, weight, {}), mixed_linear(x, weight, {})));
}

}  // namespace
}  // namespace emend
