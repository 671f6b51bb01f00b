#pragma once

#include <ATen/ATen.h>

namespace emend {

// Layer normalization over the last dimension. weight and bias: (C), or both undefined.
struct LayerNorm {
  at::Tensor weight;
  at::Tensor bias;
  int64_t width = 0;
  double eps = 1e-5;

  // x: (..., C) -> (..., C), in x's dtype; computed in float32.
  at::Tensor operator()(const at::Tensor& x) const;
};

}  // namespace emend
