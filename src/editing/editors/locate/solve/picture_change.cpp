#include "editing/editors/locate/solve/picture_change.h"

namespace emend {
namespace {

// The smallest eigenvalue of X^T C X that is scaled to 1, relative to the largest.
constexpr double kSmallestDirection = 1e-6;

}  // namespace

PictureChange PictureChange::of(const at::Tensor& solved, const at::Tensor& covariance) {
  const auto spread = covariance.defined() ? at::matmul(covariance, solved) : solved;
  const auto [values, vectors] = at::linalg_eigh(at::matmul(solved.t(), spread));  // ascending
  const double least = kSmallestDirection * values[-1].item<double>();
  PictureChange change;
  change.to_residual = vectors / values.clamp_min(least).sqrt();
  change.basis = at::matmul(solved, change.to_residual);
  return change;
}

at::Tensor PictureChange::coordinates(const at::Tensor& inputs) const {
  return at::matmul(inputs.to(at::kDouble), basis).to(at::kFloat).contiguous();
}

}  // namespace emend
