#include "nn/rotary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>

#include "nn/testing/finite_differences.h"

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

// Positions 2 and frequencies 1 and 1/100: the first and third numbers turn by 2, the others by
// 0.02.
TEST(Rotary, TurnsTheHalvesOfAHeadAsComplexNumbers) {
  const Rotary rotary(config(4));
  const auto x = at::tensor({3., 5., 7., 11.}).to(at::kFloat).view({1, 1, 1, 4});
  const auto y = rotary.rotation(at::full({1, 1}, 2, at::kLong), at::kFloat)(x);
  const auto complex = [](double real, double imaginary, double angle) {
    return std::complex<double>(real, imaginary) * std::polar(1.0, angle);
  };
  const auto first = complex(3, 7, 2), second = complex(5, 11, 0.02);
  const auto expected = at::tensor({first.real(), second.real(), first.imag(), second.imag()});
  EXPECT_LT((y.flatten() - expected).abs().max().item<double>(), 1e-5);
}

TEST(Rotary, KeepsLengthsAndHasTheGradientOfARotation) {
  at::manual_seed(1);
  const Rotary rotary(config(6));
  const auto x = at::randn({2, 2, 3, 6});
  const auto rotation = rotary.rotation(at::arange(6).view({2, 3}), at::kFloat);
  EXPECT_TRUE(at::allclose(rotation(x).norm(2, -1), x.norm(2, -1), 1e-5, 1e-6));
  EXPECT_LT(gradient_error(rotation, x), kGradientTolerance);
}

// The frequencies by the formulas of the papers and of transformers, in float64.
class RotaryScaling : public ::testing::Test {
 protected:
  RotaryScaling() {
    c.width = 64;
    c.theta = 500000;
    c.factor = 8;
    c.trained = 1024;
  }
  at::Tensor plain(double theta) const {
    return at::pow(theta, -at::arange(0, c.width, 2, at::kDouble) / c.width);
  }
  at::Tensor plain() const { return plain(c.theta); }
  at::Tensor ours(int64_t length) const { return Rotary(c).frequencies(length); }
  static double gap(const at::Tensor& actual, const at::Tensor& expected) {
    return ((actual - expected).abs() / expected).max().item<double>();
  }
  RotaryConfig c;
  static constexpr double kRounding = 1e-5;
};

TEST_F(RotaryScaling, PlainAndLinear) {
  EXPECT_LT(gap(ours(5000), plain()), kRounding);
  c.kind = RotaryConfig::Kind::linear;
  EXPECT_LT(gap(ours(5000), plain() / 8), kRounding);
}

TEST_F(RotaryScaling, DynamicGrowsTheBaseBeyondTheTrainedLength) {
  c.kind = RotaryConfig::Kind::dynamic;
  EXPECT_LT(gap(ours(1024), plain()), kRounding);
  const double base = c.theta * std::pow(8. * 3000 / 1024 - 7, 64. / 62);
  EXPECT_LT(gap(ours(3000), plain(base)), kRounding);
}

TEST_F(RotaryScaling, DynamicDependsOnTheLargestPositionOfTheBatch) {
  c.kind = RotaryConfig::Kind::dynamic;
  const Rotary rotary(c);
  const auto of = [&](std::vector<int64_t> positions) {
    return rotary.rotation(at::tensor(positions).view({-1, 1}), at::kFloat).cosine;
  };
  EXPECT_TRUE(at::equal(of({700, 1023})[0], of({700})[0]));
  EXPECT_FALSE(at::equal(of({700, 1024})[0], of({700})[0]));
}

// Wavelengths below 1024 / 4 stay, those above 1024 are divided by 8, and those between are mixed.
TEST_F(RotaryScaling, Llama3MixesByWavelength) {
  c.kind = RotaryConfig::Kind::llama3;
  const auto frequencies = ours(5000);
  int64_t kept = 0, divided = 0;
  for (int64_t i = 0; i < 32; ++i) {
    const double before = plain()[i].item<double>(), turns = 1024 * before / (2 * M_PI);
    const double mix = std::clamp((turns - 1) / 3, 0., 1.);
    kept += mix == 1, divided += mix == 0;
    EXPECT_NEAR(frequencies[i].item<double>() / before, mix + (1 - mix) / 8, 1e-5) << i;
  }
  EXPECT_GT(kept, 0);
  EXPECT_GT(divided, 0);
  EXPECT_LT(kept + divided, 32);
}

// Dimensions that turn more than 32 times in 1024 positions stay, those that turn less than once
// are divided by 8, and the ramp between them is linear in the dimension.
TEST_F(RotaryScaling, YarnMixesByDimension) {
  c.kind = RotaryConfig::Kind::yarn;
  const auto dimension = [&](double turns) {
    return 64 * std::log(1024 / (turns * 2 * M_PI)) / (2 * std::log(c.theta));
  };
  for (bool truncate : {true, false}) {
    c.truncate = truncate;
    double low = dimension(32), high = dimension(1);
    if (truncate) low = std::floor(low), high = std::ceil(high);
    const auto frequencies = ours(5000);
    for (int64_t i = 0; i < 32; ++i) {
      const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0., 1.);
      EXPECT_NEAR(frequencies[i].item<double>() / plain()[i].item<double>(), (1 - ramp) + ramp / 8,
                  1e-5)
          << i;
    }
  }
}

TEST_F(RotaryScaling, LongropeHasFactorsForShortAndLongRows) {
  c.kind = RotaryConfig::Kind::longrope;
  for (int i = 0; i < 32; ++i) {
    c.short_factors.push_back(1 + 0.1 * i);
    c.long_factors.push_back(2 + 0.5 * i);
  }
  const auto dimension = at::arange(32, at::kDouble);
  EXPECT_LT(gap(ours(1024), plain() / (1 + 0.1 * dimension)), kRounding);
  EXPECT_LT(gap(ours(1025), plain() / (2 + 0.5 * dimension)), kRounding);
}

TEST_F(RotaryScaling, AttentionFactorScalesCosineAndSine) {
  const auto positions = at::arange(5).view({1, 5});
  const auto one = Rotary(c).rotation(positions, at::kFloat);
  c.attention_factor = 1.5;
  const auto scaled = Rotary(c).rotation(positions, at::kFloat);
  EXPECT_TRUE(at::allclose(scaled.cosine, one.cosine * 1.5, 1e-6));
  EXPECT_TRUE(at::allclose(scaled.sine, one.sine * 1.5, 1e-6));
}

}  // namespace
}  // namespace emend
