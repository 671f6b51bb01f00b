#include "editing/optimizer.h"

#include <gtest/gtest.h>

namespace emend {
namespace {

TEST(AdamWTest, FirstStepsByHand) {
  // One step moves by lr * g / (|g| + eps) whatever the gradient's size: the bias correction.
  auto p = at::tensor({1.0f, 1.0f, 1.0f});
  AdamW::Options options;
  options.lr = 0.1;
  AdamW optimizer({p}, options);
  optimizer.step({at::tensor({4.0f, -0.01f, 0.0f})});
  EXPECT_NEAR(p[0].item<double>(), 0.9, 1e-6);
  EXPECT_NEAR(p[1].item<double>(), 1.1, 1e-6);
  EXPECT_EQ(p[2].item<double>(), 1.0);
  // Second step, gradient 1 after 4: m = 0.9 * 0.4 + 0.1 = 0.46, m^ = 0.46 / 0.19;
  // v = 0.999 * 0.016 + 0.001 = 0.016984, v^ = 0.016984 / 0.001999.
  optimizer.step({at::tensor({1.0f, 0.0f, 0.0f})});
  double m = 0.46 / 0.19, v = 0.016984 / 0.001999;
  EXPECT_NEAR(p[0].item<double>(), 0.9 - 0.1 * m / std::sqrt(v), 1e-6);
}

TEST(AdamWTest, DecayIsDecoupled) {
  auto p = at::tensor({2.0f});
  AdamW::Options options;
  options.lr = 0.1;
  options.weight_decay = 0.5;
  AdamW optimizer({p}, options);
  optimizer.step({at::tensor({0.0f})});
  EXPECT_NEAR(p[0].item<double>(), 2.0 * (1 - 0.05), 1e-6);
}

TEST(AdamWTest, UndefinedGradientLeavesItsParameter) {
  auto a = at::tensor({1.0f}), b = at::tensor({1.0f});
  AdamW optimizer({a, b}, {});
  optimizer.step({at::Tensor(), at::tensor({1.0f})});
  EXPECT_EQ(a.item<double>(), 1.0);
  EXPECT_LT(b.item<double>(), 1.0);
}

TEST(AdamWTest, ReachesTheMinimumOfAParabola) {
  auto p = at::tensor({3.0f, -2.0f});
  AdamW::Options options;
  options.lr = 0.05;
  AdamW optimizer({p}, options);
  for (int i = 0; i < 500; ++i) optimizer.step({2 * (p - 1)});
  EXPECT_NEAR(p[0].item<double>(), 1, 1e-2);
  EXPECT_NEAR(p[1].item<double>(), 1, 1e-2);
}

}  // namespace
}  // namespace emend
