#include "editing/optim/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "io/error.h"

namespace emend {
namespace {

std::unique_ptr<Optimizer> make(const std::string& name, const std::vector<at::Tensor>& leaves,
                                double lr, double decay = 0) {
  return make_optimizer(name, leaves, {lr, decay});
}

TEST(AdamTest, FirstStepsAgreeWithManualComputation) {
  for (const std::string name : {"adam", "adamw"}) {
    // With bias correction, the first step is lr * g / (|g| + eps), independent of the size of g.
    auto p = at::tensor({1.0f, 1.0f, 1.0f});
    auto optimizer = make(name, {p}, 0.1);
    optimizer->step({at::tensor({4.0f, -0.01f, 0.0f})});
    EXPECT_NEAR(p[0].item<double>(), 0.9, 1e-6);
    EXPECT_NEAR(p[1].item<double>(), 1.1, 1e-6);
    EXPECT_EQ(p[2].item<double>(), 1.0);
    // Second step, gradient 1 after 4: m = 0.9 * 0.4 + 0.1 = 0.46, m^ = 0.46 / 0.19;
    // v = 0.999 * 0.016 + 0.001 = 0.016984, v^ = 0.016984 / 0.001999.
    optimizer->step({at::tensor({1.0f, 0.0f, 0.0f})});
    double m = 0.46 / 0.19, v = 0.016984 / 0.001999;
    EXPECT_NEAR(p[0].item<double>(), 0.9 - 0.1 * m / std::sqrt(v), 1e-6);
  }
}

TEST(AdamTest, OnlyAdamwHasDecoupledDecay) {
  auto p = at::tensor({2.0f});
  make("adamw", {p}, 0.1, 0.5)->step({at::tensor({0.0f})});
  EXPECT_NEAR(p[0].item<double>(), 2.0 * (1 - 0.05), 1e-6);
  // Adam only gets the gradient of the penalty, 0.5 * 2, so the step is lr.
  auto q = at::tensor({2.0f});
  make("adam", {q}, 0.1, 0.5)->step({at::tensor({0.0f})});
  EXPECT_NEAR(q[0].item<double>(), 1.9, 1e-6);
}

// For leaves larger than a block and not a multiple of it, every element changes as it would alone.
TEST(AdamTest, BlocksDoNotChangeTheUpdate) {
  at::manual_seed(1);
  const int64_t size = 100'001;
  auto large = at::randn({size});
  auto first = at::randn({size}), second = at::randn({size});
  std::vector<int64_t> chosen = {0, 32767, 32768, 65535, 65536, 98304, size - 1};
  auto index = at::tensor(chosen, at::kLong);
  auto small = large.index_select(0, index);
  auto of_large = make("adamw", {large.view({1, size})}, 0.01, 0.1);
  auto of_small = make("adamw", {small}, 0.01, 0.1);
  for (const auto& gradient : {first, second}) {
    of_large->step({gradient.view({1, size})});
    of_small->step({gradient.index_select(0, index)});
  }
  EXPECT_TRUE(at::allclose(large.index_select(0, index), small, 0, 1e-6));
}

TEST(SgdTest, StepAgreesWithManualComputation) {
  auto p = at::tensor({2.0f, 3.0f});
  auto optimizer = make("sgd", {p}, 0.1, 0.5);
  optimizer->step({at::tensor({1.0f, 0.0f})});
  EXPECT_NEAR(p[0].item<double>(), 2 - 0.1 * (1 + 0.5 * 2), 1e-6);
  EXPECT_NEAR(p[1].item<double>(), 3 - 0.1 * 0.5 * 3, 1e-6);
}

TEST(OptimizerTest, AllReachTheMinimumOfAParabola) {
  for (const auto& name : optimizer_names()) {
    auto p = at::tensor({3.0f, -2.0f});
    auto optimizer = make(name, {p}, 0.05);
    for (int i = 0; i < 500; ++i) optimizer->step({2 * (p - 1)});
    EXPECT_NEAR(p[0].item<double>(), 1, 1e-2) << name;
    EXPECT_NEAR(p[1].item<double>(), 1, 1e-2) << name;
  }
}

TEST(OptimizerTest, UndefinedGradientKeepsItsLeaf) {
  for (const auto& name : optimizer_names()) {
    auto a = at::tensor({1.0f}), b = at::tensor({1.0f});
    make(name, {a, b}, 0.1, 0.1)->step({at::Tensor(), at::tensor({1.0f})});
    EXPECT_EQ(a.item<double>(), 1.0) << name;
    EXPECT_LT(b.item<double>(), 1.0) << name;
  }
}

TEST(OptimizerTest, LeavesThatRequireGradAreUpdatedInPlace) {
  for (const auto& name : optimizer_names()) {
    auto leaf = at::ones({2, 3}).requires_grad_();
    make(name, {leaf}, 0.1)->step({at::ones({2, 3})});
    EXPECT_LT(leaf.detach().max().item<double>(), 1.0) << name;
    EXPECT_TRUE(leaf.requires_grad() && leaf.is_leaf()) << name;
  }
}

TEST(OptimizerTest, UnknownNameIsAnError) {
  try {
    make("lion", {}, 1);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("adamw, adam, sgd"));
  }
}

TEST(ClipTest, JointNormIsClippedOnlyAboveTheLimit) {
  auto a = at::tensor({3.0f}), b = at::tensor({0.0f, 4.0f});
  EXPECT_NEAR(clip_gradients({a, at::Tensor(), b}, 1), 5, 1e-6);
  EXPECT_NEAR(a[0].item<double>(), 0.6, 1e-6);
  EXPECT_NEAR(b[1].item<double>(), 0.8, 1e-6);
  EXPECT_NEAR(clip_gradients({a, b}, 2), 1, 1e-6);
  EXPECT_NEAR(a[0].item<double>(), 0.6, 1e-6);
}

}  // namespace
}  // namespace emend
