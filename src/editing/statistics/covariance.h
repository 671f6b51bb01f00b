#pragma once

#include <ATen/ATen.h>

#include "editing/statistics/moments.h"

namespace emend {

// (B + K K^T)^-1 K by the Woodbury identity, F (I + K^T F)^-1, from F = B^-1 K: (d, n) float64, so
// that no matrix of size d is factorized. B is symmetric positive definite.
at::Tensor woodbury_solve(const at::Tensor& keys, const at::Tensor& solved);

// The covariance of a site's inputs with its Cholesky factor, in float64, for closed-form editors:
//
//   C = (1 - s) (w C_text + (1 - w) C_image) + s f f^T + r I,  r = ridge * trace / d
//
// w is the weight of text; if only one kind of positions was measured, it has the whole weight. f
// is the mean input at position 0 and s its share of all positions. Position 0 can hold almost all
// of the energy, so r uses the trace of the other positions.
class Covariance {
 public:
  // Throws emend::Error if there are no positions, if there are fewer keys than dimensions and
  // `ridge` is 0, or if C is not positive definite.
  Covariance(const SiteMoments& moments, double text_weight, double ridge);

  // C^-1 K: (d, n) -> (d, n) float64.
  at::Tensor solve(const at::Tensor& keys) const;
  // (lambda C + K K^T)^-1 K: (d, n) -> (d, n) float64; see woodbury_solve. lambda is positive.
  at::Tensor solve_update(const at::Tensor& keys, double lambda) const;
  // An estimate of the condition number of C, from power iterations; it is not above the exact
  // value. The first call computes it.
  double condition() const;
  // The number of positions that C was computed from, without position 0.
  int64_t count() const { return count_; }
  const at::Tensor& matrix() const { return matrix_; }  // C: (d, d) float64

 private:
  at::Tensor matrix_, factor_;  // the factor is lower triangular
  int64_t count_ = 0;
  mutable double condition_ = 0;
};

}  // namespace emend
