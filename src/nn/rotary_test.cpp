#include "nn/rotary.h"

#include <gtest/gtest.h>

#include "nn/attention.h"
#include "nn/rms_norm.h"

namespace emend {
namespace {

RotaryConfig config(int64_t width) {
  RotaryConfig c;
  c.width = width;
  return c;
}

// The product of two rotated vectors depends only on the distance of their positions.
TEST(Rotary, ScoresDependOnlyOnTheDistance) {
  at::manual_seed(1);
  const Rotary rotary(config(8));
  const auto q = at::randn({1, 2, 1, 8}), k = at::randn({1, 2, 1, 8});
  const auto score = [&](int64_t at_query, int64_t at_key) {
    const auto turn = [&](const at::Tensor& x, int64_t position) {
      return rotary.rotation(at::full({1, 1}, position, at::kLong), at::kFloat)(x);
    };
    return (turn(q, at_query) * turn(k, at_key)).sum().item<double>();
  };
  EXPECT_NEAR(score(7, 3), score(104, 100), 1e-4);
  EXPECT_GT(std::abs(score(7, 3) - score(7, 4)), 1e-3);
  EXPECT_NEAR(score(5, 5), (q * k).sum().item<double>(), 1e-4);
}

TEST(Rotary, RowsHaveTheirOwnPositions) {
  const Rotary rotary(config(4));
  const auto x = at::randn({2, 1, 3, 4});
  const auto positions = at::tensor(std::vector<int64_t>{-1, 0, 1, 4, 5, 6}).view({2, 3});
  const auto both = rotary.rotation(positions, at::kFloat)(x);
  for (int64_t r = 0; r < 2; ++r) {
    const auto alone =
        rotary.rotation(positions.slice(0, r, r + 1), at::kFloat)(x.slice(0, r, r + 1));
    EXPECT_TRUE(at::equal(both.slice(0, r, r + 1), alone));
  }
  EXPECT_EQ(rotary.rotation(positions, at::kBFloat16).cosine.scalar_type(), at::kBFloat16);
}

TEST(GroupedAttention, MatchesRepeatedKeysAndValues) {
  at::manual_seed(2);
  const auto q = at::randn({2, 6, 5, 4}), k = at::randn({2, 2, 7, 4}), v = at::randn({2, 2, 7, 4});
  const auto bias = at::randn({2, 1, 5, 7});
  const auto repeated = [](const at::Tensor& x) { return x.repeat_interleave(3, 1); };
  const auto expected = attention(q, repeated(k), repeated(v), bias, 0.5);
  EXPECT_TRUE(at::allclose(grouped_attention(q, k, v, bias, 0.5), expected, 1e-5, 1e-6));
  EXPECT_TRUE(at::equal(grouped_attention(q, repeated(k), repeated(v), bias, 0.5), expected));
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
