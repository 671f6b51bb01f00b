#include "editing/statistics/covariance.h"

#include <fmt/format.h>

#include <cmath>

#include "io/error.h"

namespace emend {
namespace {

constexpr const char* kCovariancePlace = "editing::covariance";
constexpr const char* kMoreKeys =
    "use a larger ridge, or statistics of more samples (emend stats --samples N)";
constexpr const char* kLargerRidge = "use a larger ridge (--set ridge=0.001)";

// The weight of the text positions; the weight of image positions is the rest.
double weight_of_text(const SiteMoments& moments, double text_weight) {
  if (!(text_weight >= 0 && text_weight <= 1))
    throw Error(kCovariancePlace,
                fmt::format("the weight of text positions is {}, not within 0 and 1", text_weight),
                "use 1 for text only, and 0 for pictures only");
  if (moments.text.count == 0 && moments.image.count == 0)
    throw Error(kCovariancePlace,
                fmt::format("the statistics of {} have no positions", moments.site),
                "compute them from longer samples, or for a site that the samples reach");
  if (moments.image.count == 0) return 1;
  return moments.text.count == 0 ? 0 : text_weight;
}

// The largest eigenvalue of a symmetric positive definite operator on vectors (d, 1). The error of
// the estimate is small compared to that of the use of a condition number.
template <class Operator>
double largest_eigenvalue(int64_t d, const Operator& apply) {
  // Any vector without symmetry, the same in every run.
  auto x = at::cos(at::arange(1, d + 1, at::kDouble).square() * 0.7).unsqueeze(1);
  x = x / x.norm();
  double value = 0;
  for (int i = 0; i < 30; ++i) {
    auto y = apply(x);
    const double next = at::sum(x * y).template item<double>();
    x = y / y.norm();
    if (i > 4 && std::abs(next - value) <= 1e-3 * next) return next;
    value = next;
  }
  return value;
}

}  // namespace

at::Tensor woodbury_solve(const at::Tensor& keys, const at::Tensor& solved) {
  const auto inner = at::eye(keys.size(1), keys.options()) + keys.t().matmul(solved);
  // F M^-1 = (M^-T F^T)^T
  return at::linalg_solve(inner.t(), solved.t()).t();
}

Covariance::Covariance(const SiteMoments& moments, double text_weight, double ridge) {
  if (!(ridge >= 0 && std::isfinite(ridge)))
    throw Error(kCovariancePlace, fmt::format("the ridge is {}, which is not 0 or more", ridge),
                "use a small positive number");
  const double text = weight_of_text(moments, text_weight);
  if (text > 0) count_ += moments.text.count;
  if (text < 1) count_ += moments.image.count;
  const int64_t d = moments.dimension();
  if (count_ < d && ridge == 0)
    throw Error(kCovariancePlace,
                fmt::format("the statistics of {} have {} keys, fewer than its {} dimensions",
                            moments.site, count_, d),
                kMoreKeys);

  at::NoGradGuard no_grad;
  matrix_ = at::zeros({d, d}, at::kDouble);
  if (text > 0) matrix_.add_(moments.text.mean, text);
  if (text < 1) matrix_.add_(moments.image.mean, 1 - text);
  const double diagonal = ridge * matrix_.trace().item<double>() / static_cast<double>(d);
  if (moments.first_count > 0) {
    const auto first = moments.first_mean.to(at::kDouble).unsqueeze(1);
    const double share = static_cast<double>(moments.first_count) /
                         static_cast<double>(moments.first_count + count_);
    matrix_.mul_(1 - share).addmm_(first, first.t(), 1, share);
  }
  matrix_.diagonal().add_(diagonal);
  auto [factor, info] = at::linalg_cholesky_ex(matrix_);
  if (info.item<int64_t>() != 0 || !at::isfinite(factor.diagonal()).all().item<bool>())
    throw Error(kCovariancePlace,
                fmt::format("the covariance of {} from {} keys is not positive definite",
                            moments.site, count_),
                kLargerRidge);
  factor_ = factor;
}

at::Tensor Covariance::solve(const at::Tensor& keys) const {
  at::NoGradGuard no_grad;
  return at::cholesky_solve(keys.to(at::kCPU, at::kDouble), factor_);
}

at::Tensor Covariance::solve_update(const at::Tensor& keys, double lambda) const {
  if (!(lambda > 0 && std::isfinite(lambda)))
    throw Error(kCovariancePlace,
                fmt::format("the weight of the covariance is {}, which is not positive", lambda),
                "use a positive number");
  at::NoGradGuard no_grad;
  const auto k = keys.to(at::kCPU, at::kDouble);
  return woodbury_solve(k, solve(k) / lambda);
}

double Covariance::condition() const {
  if (condition_ == 0) {
    at::NoGradGuard no_grad;
    const int64_t d = matrix_.size(0);
    const double largest =
        largest_eigenvalue(d, [this](const at::Tensor& x) { return matrix_.matmul(x); });
    const double inverse = largest_eigenvalue(d, [this](const at::Tensor& x) { return solve(x); });
    condition_ = largest * inverse;
  }
  return condition_;
}

}  // namespace emend
