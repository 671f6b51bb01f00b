#pragma once

#include <ATen/ATen.h>

#include <functional>

#include "nn/attachment.h"

namespace emend {

// Closed-form updates of a weight (out, in) for keys K (in, n) and residuals R (out, n), float64.
// Each returns a low-rank change of rank n, float32: up (out, n), down (n, in).

// The smallest change in the norm of C with change * K = R [ROME, arXiv 2202.05262, eq. 2; for
// several keys EMMET, arXiv 2403.14236]: R (S^T K)^-1 S^T with S = C^-1 K_mean. Several keys that
// are almost equal are separated by a ridge of 0.001 of the mean diagonal of S^T K.
WeightDelta equality_update(const at::Tensor& keys, const at::Tensor& solved,
                            const at::Tensor& residuals);

// R X^T with X = (B + H H^T + K K^T)^-1 K [MEMIT, arXiv 2210.07229, eq. 14], where H (in, h) has
// the keys of earlier edits. solve(G) returns B^-1 G with B = lambda C.
using KeySolve = std::function<at::Tensor(const at::Tensor&)>;
WeightDelta least_squares_update(const KeySolve& solve, const at::Tensor& history,
                                 const at::Tensor& keys, const at::Tensor& residuals);

// The update of AlphaEdit [arXiv 2410.02355, eq. 14]: R X^T with
// X = (P (H H^T + K K^T) + l2 I)^-1 P K and P = I - U U^T. protected_basis: U (in, r), orthonormal.
WeightDelta null_space_update(const at::Tensor& protected_basis, double l2,
                              const at::Tensor& history, const at::Tensor& keys,
                              const at::Tensor& residuals);

}  // namespace emend
