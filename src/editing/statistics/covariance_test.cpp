#include "editing/statistics/covariance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/error.h"
#include "io/testing.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int64_t kInputs = 12;

// Inputs with dimensions of different scales, (n, d).
at::Tensor inputs_of(int64_t n, uint64_t seed) {
  at::manual_seed(seed);
  return at::randn({n, kInputs}) * at::linspace(0.1, 3, kInputs);
}

SecondMoment moment_of(const at::Tensor& x) {
  return {x.size(0), x.t().matmul(x) / static_cast<double>(x.size(0))};
}

SiteMoments example_moments() {
  SiteMoments moments;
  moments.site = "layers.0.fc2";
  moments.text = moment_of(inputs_of(40, 1));
  moments.image = moment_of(inputs_of(60, 2) + 1);
  moments.first_count = 20;
  moments.first_mean = at::full({kInputs}, 30.0, at::kFloat);
  return moments;
}

double matrix_difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<double>();
}

TEST(CovarianceTest, CombinesTextImageAndPosition0) {
  const auto moments = example_moments();
  const Covariance covariance(moments, 0.25, 0.01);
  const auto others =
      0.25 * moments.text.mean.to(at::kDouble) + 0.75 * moments.image.mean.to(at::kDouble);
  const auto first = moments.first_mean.to(at::kDouble);
  const auto expected = others * (100.0 / 120) + at::outer(first, first) * (20.0 / 120) +
                        at::eye(kInputs, at::kDouble) * 0.01 * others.trace() / kInputs;
  EXPECT_LT(matrix_difference(covariance.matrix(), expected), 1e-14);
  EXPECT_EQ(covariance.count(), 100);
}

// With the weights of the counts, C is the mean over all positions.
TEST(CovarianceTest, NaturalWeightsGiveTheMeanOverAllPositions) {
  const auto text = inputs_of(40, 1), image = inputs_of(60, 2);
  const auto first = at::full({1, kInputs}, 30.0, at::kFloat);
  SiteMoments moments{"site", moment_of(text), moment_of(image), 1, first.squeeze(0)};
  const auto all = at::cat({text, image, first}).to(at::kDouble);
  EXPECT_LT(matrix_difference(Covariance(moments, 0.4, 0).matrix(), all.t().matmul(all) / 101),
            1e-6);
}

TEST(CovarianceTest, UsesTheOnlyKindThatWasMeasured) {
  auto moments = example_moments();
  moments.first_count = 0;
  moments.image = {};
  EXPECT_TRUE(at::equal(Covariance(moments, 0.25, 0).matrix(), moments.text.mean.to(at::kDouble)));
  moments.image = moments.text;
  moments.text = {};
  EXPECT_TRUE(at::equal(Covariance(moments, 1, 0).matrix(), moments.image.mean.to(at::kDouble)));
}

TEST(CovarianceTest, SolvesAsLinalgSolve) {
  const Covariance covariance(example_moments(), 0.5, 1e-4);
  const auto& c = covariance.matrix();
  for (int64_t n : {1, 5, 30}) {
    const auto keys = inputs_of(n, 3).t();
    const auto k = keys.to(at::kDouble);
    EXPECT_LT(matrix_difference(covariance.solve(keys), at::linalg_solve(c, k)), 1e-12);
    for (double lambda : {0.01, 1.0, 15000.0})
      EXPECT_LT(matrix_difference(covariance.solve_update(keys, lambda),
                                  at::linalg_solve(c * lambda + k.matmul(k.t()), k)),
                1e-11)
          << n << " keys, lambda " << lambda;
  }
}

TEST(CovarianceTest, EstimatesTheConditionNumber) {
  const Covariance covariance(example_moments(), 0.5, 1e-3);
  const auto values = at::linalg_eigvalsh(covariance.matrix());
  const double exact = (values[kInputs - 1] / values[0]).item<double>();
  EXPECT_LT(covariance.condition(), exact * (1 + 1e-9));
  EXPECT_GT(covariance.condition(), exact * 0.95);
}

TEST(CovarianceTest, RefusesTooFewKeys) {
  auto moments = example_moments();
  moments.text = moment_of(inputs_of(5, 1));
  moments.image = moment_of(inputs_of(6, 2));
  EXPECT_THAT(error_of([&] { Covariance(moments, 0.5, 0); }),
              AllOf(HasSubstr("11 keys, fewer than its 12 dimensions"), HasSubstr("--samples")));
  EXPECT_EQ(Covariance(moments, 0.5, 1e-3).count(), 11);
  // Enough keys, but all alike.
  moments.text = {100, at::ones({kInputs, kInputs})};
  EXPECT_THAT(error_of([&] { Covariance(moments, 1, 0); }),
              AllOf(HasSubstr("not positive definite"), HasSubstr("larger ridge")));
  EXPECT_THAT(error_of([&] {
                Covariance(SiteMoments{"site", {}, {}, 0, {}}, 1, 0.1);
              }),
              HasSubstr("no positions"));
}

TEST(CovarianceTest, RefusesWrongSettings) {
  const auto moments = example_moments();
  for (double weight : {-0.1, 1.1, std::nan("")})
    EXPECT_THAT(error_of([&] { Covariance(moments, weight, 0.1); }), HasSubstr("weight of text"));
  for (double ridge : {-0.1, std::nan(""), HUGE_VAL})
    EXPECT_THAT(error_of([&] { Covariance(moments, 0.5, ridge); }), HasSubstr("ridge"));
  EXPECT_THAT(error_of([&] { Covariance(moments, 0.5, 0.1).solve_update(inputs_of(1, 1).t(), 0); }),
              HasSubstr("not positive"));
}

}  // namespace
}  // namespace emend
