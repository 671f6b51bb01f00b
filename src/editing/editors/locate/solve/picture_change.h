#pragma once

#include <ATen/ATen.h>

namespace emend {

// The change of a layer for the keys of one picture, in coordinates whose norm is the disturbance
// of other pictures. A closed form turns residuals R (n, out) into the change R^T X^T. With B = X W
// and B^T C B = I, the residuals R = W Z give the change Z^T B^T, which changes the output for an
// input x by Z^T B^T x, and the expected squared norm of this is norm(Z)^2. C is the covariance of
// inputs.
struct PictureChange {
  at::Tensor basis;        // B (in, n) float64
  at::Tensor to_residual;  // W (n, n) float64

  // solved: X (in, n) float64. covariance: C (in, in) float64; undefined: the identity. Directions
  // of X that are almost zero stay small in B.
  static PictureChange of(const at::Tensor& solved, const at::Tensor& covariance);

  // B^T x of inputs (..., in): (..., n) float32.
  at::Tensor coordinates(const at::Tensor& inputs) const;
};

}  // namespace emend
