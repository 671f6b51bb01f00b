#include "editing/editors/locate/solve/closed_form.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "editing/editors/locate/solve/null_space.h"
#include "io/error.h"

namespace emend {
namespace {

class ClosedForm : public ::testing::Test {
 protected:
  at::Tensor random(int64_t rows, int64_t columns) {
    return at::randn({rows, columns}, generator_, at::dtype(at::kDouble));
  }
  // A covariance (8, 8) of 100 random keys.
  at::Tensor covariance() {
    const auto samples = random(8, 100);
    return at::matmul(samples, samples.t()) / 100;
  }
  static at::Tensor dense(const WeightDelta& delta) {
    return at::matmul(delta.up.to(at::kDouble), delta.down.to(at::kDouble));
  }
  static bool close(const at::Tensor& a, const at::Tensor& b, double tolerance = 1e-5) {
    return ((a - b).norm() / b.norm()).item<double>() < tolerance;
  }

  at::Generator generator_ = at::detail::createCPUGenerator(7);
};

TEST_F(ClosedForm, EqualityUpdateOfOneKeyIsRome) {
  const auto c = covariance(), key = random(8, 1), residual = random(5, 1);
  const auto u = at::linalg_solve(c, key);
  const auto delta = dense(equality_update(key, u, residual));
  EXPECT_TRUE(close(at::matmul(delta, key), residual));
  // Lambda u^T with Lambda = residual / (u^T k)
  EXPECT_TRUE(close(delta, at::matmul(residual, u.t()) / at::matmul(u.t(), key)));
}

TEST_F(ClosedForm, EqualityUpdateTakesAnotherKeyForTheDenominator) {
  const auto mean = random(8, 1), bare = random(8, 1), residual = random(5, 1);
  const auto delta = dense(equality_update(bare, mean, residual));
  EXPECT_TRUE(close(at::matmul(delta, bare), residual));
  EXPECT_TRUE(close(delta, at::matmul(residual, mean.t()) / at::matmul(mean.t(), bare)));
}

TEST_F(ClosedForm, EqualityUpdateOfSeveralKeysNearlySolvesAll) {
  const auto c = covariance(), keys = random(8, 3), residuals = random(5, 3);
  const auto delta = equality_update(keys, at::linalg_solve(c, keys), residuals);
  EXPECT_EQ(delta.up.size(1), 3);
  EXPECT_TRUE(close(at::matmul(dense(delta), keys), residuals, 0.05));
}

TEST_F(ClosedForm, EqualKeysDoNotMakeTheUpdateInfinite) {
  const auto key = random(8, 1), residuals = random(5, 1).expand({5, 2});
  const auto keys = at::cat({key, key}, 1);
  const auto delta = dense(equality_update(keys, keys, residuals));
  EXPECT_TRUE(close(at::matmul(delta, keys), residuals, 0.01));
}

TEST_F(ClosedForm, LeastSquaresUpdateIsMemit) {
  const auto c = covariance(), keys = random(8, 3), history = random(8, 2),
             residuals = random(5, 3);
  const double lambda = 4;
  const KeySolve solve = [&](const at::Tensor& x) { return at::linalg_solve(lambda * c, x); };
  for (const auto& earlier : {at::Tensor(), history}) {
    auto system = lambda * c + at::matmul(keys, keys.t());
    if (earlier.defined()) system = system + at::matmul(earlier, earlier.t());
    const auto expected = at::matmul(residuals, at::linalg_solve(system, keys).t());
    EXPECT_TRUE(close(dense(least_squares_update(solve, earlier, keys, residuals)), expected));
  }
}

TEST_F(ClosedForm, NullSpaceUpdateIsAlphaEdit) {
  const auto c = covariance(), keys = random(8, 3), history = random(8, 2),
             residuals = random(5, 3);
  const auto space = NullSpace::of("site", c, {0.5, 0});
  ASSERT_GT(space.dimension, 0);
  ASSERT_LT(space.dimension, 8);
  const auto& u = space.protected_basis;
  const auto p = at::eye(8, at::kDouble) - at::matmul(u, u.t());
  const double l2 = 3;
  for (const auto& earlier : {at::Tensor(), history}) {
    auto gram = at::matmul(keys, keys.t());
    if (earlier.defined()) gram = gram + at::matmul(earlier, earlier.t());
    const auto system = at::matmul(p, gram) + l2 * at::eye(8, at::kDouble);
    const auto expected =
        at::linalg_solve(system, at::matmul(p, at::matmul(keys, residuals.t()))).t();
    const auto delta = dense(null_space_update(u, l2, earlier, keys, residuals));
    EXPECT_TRUE(close(delta, expected));
    // Protected directions have the same output as before.
    EXPECT_LT(at::matmul(delta, u).norm().item<double>(), 1e-6 * delta.norm().item<double>());
  }
}

TEST(NullSpaceChoice, IsByEnergyOrByThreshold) {
  const auto c = at::diag(at::tensor({100.0, 8.0, 1.0, 0.5, 0.5}));
  // The largest eigenvalue is not energy: the others sum to 10.
  const auto by_energy = NullSpace::of("site", c, {0.2, 0});
  EXPECT_EQ(by_energy.dimension, 3);
  EXPECT_NEAR(by_energy.energy, 0.2, 1e-12);
  EXPECT_EQ(NullSpace::of("site", c, {0.1, 0}).dimension, 2);
  EXPECT_EQ(NullSpace::of("site", c, {0, 9}).dimension, 4);
  EXPECT_EQ(by_energy.protected_basis.size(1), 2);
}

// The mean effect of the update of a key on another input, relative to its effect on the key, both
// of them drawn from the covariance.
double mean_effect(const at::Tensor& covariance, const at::Tensor& protected_basis) {
  const auto inside = at::eye(covariance.size(0), at::kDouble) -
                      at::matmul(protected_basis, protected_basis.t());
  const auto pc = at::matmul(inside, covariance);
  return (at::matmul(pc, pc).trace() / pc.trace().square()).item<double>();
}

TEST_F(ClosedForm, DefaultNullSpaceDisturbsOtherInputsLeast) {
  const auto c = covariance();
  const auto chosen = NullSpace::of("site", c, {});
  const double least = mean_effect(c, chosen.protected_basis);
  const auto vectors = std::get<1>(at::linalg_eigh(c));
  for (int64_t dimension = 1; dimension < 8; ++dimension)
    EXPECT_GE(mean_effect(c, vectors.slice(1, dimension)), least - 1e-12) << dimension;
}

TEST(NullSpaceChoice, DefaultLeavesOutDirectionsWithMuchEnergy) {
  const auto of = [](std::vector<double> eigenvalues) {
    return NullSpace::of("site", at::diag(at::tensor(eigenvalues)), {}).dimension;
  };
  EXPECT_EQ(of({1000, 100, 1, 1, 1, 1}), 4);
  EXPECT_EQ(of({2, 1, 1, 1}), 3);  // never the largest one
  EXPECT_EQ(of({3, 1, 0, 0}), 3);  // directions without energy have no effect
}

TEST(NullSpaceChoice, RefusesAnEmptyNullSpace) {
  const auto c = at::diag(at::tensor({3.0, 2.0, 1.0}));
  EXPECT_THROW(NullSpace::of("site", c, {0.01, 0}), Error);
  EXPECT_THROW(NullSpace::of("site", c, {0, 0.5}), Error);
}

TEST(NullSpaceChoice, RefusesACovarianceWithoutEnergy) {
  EXPECT_THROW(NullSpace::of("site", at::zeros({3, 3}, at::kDouble), {}), Error);
  EXPECT_THROW(NullSpace::of("site", at::ones({1, 1}, at::kDouble), {}), Error);
  EXPECT_THROW(NullSpace::of("site", at::diag(at::tensor({5.0, 0.0, 0.0})), {}), Error);
}

}  // namespace
}  // namespace emend
