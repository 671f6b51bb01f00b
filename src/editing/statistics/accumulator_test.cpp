#include "editing/statistics/accumulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "editing/statistics/triangle.h"
#include "io/error.h"
#include "io/testing.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kWidth = 80;

// Positions whose dimensions have different scales and a common part, as activations have.
at::Tensor positions_of(int64_t n) {
  at::manual_seed(4);
  return at::randn({n, kWidth}) * at::logspace(-3, 1, kWidth) + 0.2;
}

at::Tensor mean_of(MomentAccumulator& accumulator) {
  return unpack_triangle(accumulator.packed_mean(), kWidth);
}

// The relative error in the Frobenius norm. Sums of products in float32 alone, position by
// position, are the comparison.
TEST(MomentAccumulatorTest, IsAsExactAsFloat64) {
  const auto x = positions_of(30000);
  const auto wide = x.to(at::kDouble);
  const auto exact = wide.t().matmul(wide) / 30000.0;
  MomentAccumulator accumulator(kWidth);
  accumulator.add(x);
  auto naive = at::zeros({kWidth, kWidth});
  for (int64_t i = 0; i < x.size(0); ++i) naive.addr_(x[i], x[i]);
  const auto error = [&](const at::Tensor& mean) {
    return ((mean.to(at::kDouble) - exact).norm() / exact.norm()).item<double>();
  };
  const double own = error(mean_of(accumulator)), other = error(naive / 30000.0);
  RecordProperty("error", std::to_string(own * 1e9) + "e-9");
  RecordProperty("float32_error", std::to_string(other * 1e9) + "e-9");
  std::printf("relative error %.1e; of sums in float32 %.1e\n", own, other);
  EXPECT_LT(own, 1e-7);
  EXPECT_GT(other, 2 * own);
}

TEST(MomentAccumulatorTest, BitsDoNotDependOnTheDivisionIntoCalls) {
  const auto x = positions_of(2500);
  MomentAccumulator whole(kWidth), pieces(kWidth);
  whole.add(x);
  for (int64_t begin = 0, size = 1; begin < x.size(0); begin += size, size = size * 3 + 1) {
    pieces.add(x.slice(0, begin, begin + size));
    // Saved and loaded in between.
    std::map<std::string, at::Tensor> tensors;
    pieces.save("site", tensors);
    for (auto& [name, tensor] : tensors) tensor = tensor.clone();
    pieces = MomentAccumulator(kWidth);
    pieces.load("site", tensors);
  }
  EXPECT_EQ(pieces.count(), 2500);
  EXPECT_TRUE(at::equal(mean_of(whole), mean_of(pieces)));
}

TEST(MomentAccumulatorTest, WithoutPositionsThereIsNoMean) {
  MomentAccumulator accumulator(kWidth);
  accumulator.add(positions_of(2).slice(0, 2));
  EXPECT_EQ(accumulator.count(), 0);
  EXPECT_FALSE(accumulator.packed_mean().defined());
}

TEST(MomentAccumulatorTest, WideInputsAreSummedInPanels) {
  at::manual_seed(5);
  const auto x = at::randn({40, 2100}, at::kBFloat16);
  MomentAccumulator accumulator(2100);
  accumulator.add(x);
  const auto wide = x.to(at::kDouble);
  EXPECT_TRUE(at::allclose(unpack_triangle(accumulator.packed_mean(), 2100),
                           (wide.t().matmul(wide) / 40).to(at::kFloat), 1e-5, 1e-6));
}

TEST(MomentAccumulatorTest, RefusesAnotherState) {
  MomentAccumulator accumulator(kWidth);
  accumulator.add(positions_of(2000));
  std::map<std::string, at::Tensor> tensors;
  accumulator.save("site", tensors);
  MomentAccumulator narrow(kWidth - 1);
  EXPECT_THAT(error_of([&] { narrow.load("site", tensors); }), HasSubstr("'site.block'"));
  EXPECT_THAT(error_of([&] { accumulator.load("other", tensors); }), HasSubstr("'other.count'"));
}

}  // namespace
}  // namespace emend
