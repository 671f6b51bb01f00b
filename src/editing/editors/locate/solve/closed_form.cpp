#include "editing/editors/locate/solve/closed_form.h"

#include "editing/statistics/covariance.h"

namespace emend {
namespace {

constexpr double kKeyRidge = 1e-3;

WeightDelta low_rank(const at::Tensor& up, const at::Tensor& down) {
  return {{}, up.to(at::kFloat).contiguous(), down.to(at::kFloat).contiguous()};
}

at::Tensor with_history(const at::Tensor& history, const at::Tensor& keys) {
  return history.defined() ? at::cat({history, keys}, 1) : keys;
}

}  // namespace

WeightDelta equality_update(const at::Tensor& keys, const at::Tensor& solved,
                            const at::Tensor& residuals) {
  auto product = at::matmul(solved.t(), keys);  // (n, n)
  if (keys.size(1) > 1)
    product = product +
              at::eye(product.size(0), product.options()) * (kKeyRidge * product.diagonal().mean());
  // R product^-1 = (product^-T R^T)^T
  const auto up = at::linalg_solve(product.t(), residuals.t()).t();
  return low_rank(up, solved.t());
}

WeightDelta least_squares_update(const KeySolve& solve, const at::Tensor& history,
                                 const at::Tensor& keys, const at::Tensor& residuals) {
  // With all keys G = [H K], the last columns of (B + G G^T)^-1 G are those of K.
  const auto all = with_history(history, keys);
  const auto solved = woodbury_solve(all, solve(all));
  return low_rank(residuals, solved.slice(1, solved.size(1) - keys.size(1)).t());
}

WeightDelta null_space_update(const at::Tensor& protected_basis, double l2,
                              const at::Tensor& history, const at::Tensor& keys,
                              const at::Tensor& residuals) {
  const auto project = [&](const at::Tensor& x) {
    return x - at::matmul(protected_basis, at::matmul(protected_basis.t(), x));
  };
  const auto own = project(keys);
  const KeySolve solve = [&](const at::Tensor& x) { return x / l2; };
  return least_squares_update(solve, history.defined() ? project(history) : history, own,
                              residuals);
}

}  // namespace emend
