#pragma once

#include <ATen/ATen.h>

#include <string>

namespace emend {

// The directions of a covariance with little energy, in which AlphaEdit changes a weight.
struct NullSpace {
  at::Tensor protected_basis;  // (d, r) float64, orthonormal: the directions outside of it
  int64_t dimension = 0;       // d - r
  double energy = 0;           // its share of the trace

  struct Choice {
    // Largest share of the trace without the largest eigenvalue; 0: chosen so that an update
    // disturbs other inputs least.
    double energy = 0;
    double threshold = 0;  // above 0: directions with an eigenvalue below, instead
  };
  // covariance: (d, d) float64, symmetric. The largest eigenvalue does not count as energy, because
  // it can be that of an attention sink. Throws emend::Error if the null space is empty,
  // or if only one direction has energy.
  static NullSpace of(const std::string& site, const at::Tensor& covariance, const Choice& choice);
};

}  // namespace emend
