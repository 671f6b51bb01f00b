#pragma once

#include <ATen/ATen.h>

namespace emend {

// x / sqrt(mean(x^2) + eps) * weight over the last dimension (Zhang and Sennrich 2019); weight (C).
struct RmsNorm {
  at::Tensor weight;
  double eps = 1e-6;

  // x: (..., C) -> (..., C), in x's dtype; normalized in float32, rounded, then scaled, as in
  // transformers' LlamaRMSNorm.
  at::Tensor operator()(const at::Tensor& x) const;
};

}  // namespace emend
