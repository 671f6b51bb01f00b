#pragma once

#include <vector>

#include "editing/patches/patch.h"
#include "nn/attachment.h"

namespace emend {

// The update of UltraEdit [arXiv 2505.14679] at layers of one shape (out, in), whose normalization
// is common to them.

// `seen`: the keys h (n, in) and gradients g (n, out) of earlier and current edits. `layers`: those
// of the current edits, by layer. Returns for each layer the wanted change of the outputs at the
// keys, V (n, out) float64, for the learning rate 1: -norm(h^)^2 g^, where h^ and g^ are normalized
// by the statistics of all of `seen`.
std::vector<at::Tensor> target_outputs(const std::vector<SiteKeys>& seen,
                                       const std::vector<SiteKeys>& layers, double prior_rows);

// The solution of min |H change^T - V|^2 + |change|^2 for the keys H (n, in) without
// normalization, as low-rank factors of rank n: V^T (H H^T + I)^-1 H, where
// change^T = (H^T H + I)^-1 H^T V as published.
WeightDelta ridge_update(const at::Tensor& keys, const at::Tensor& wanted);

}  // namespace emend
