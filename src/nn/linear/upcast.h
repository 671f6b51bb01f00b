#pragma once

#include <ATen/ATen.h>

namespace emend {

// Whether `dtype` is bfloat16 or half.
inline bool has_16_bits(at::ScalarType dtype) {
  return dtype == at::kBFloat16 || dtype == at::kHalf;
}

// Converts `from`, bfloat16 or half, to float32 in `to`. Both must be contiguous, on the CPU, and
// of the same size. LibTorch converts half numbers one by one.
void upcast(const at::Tensor& from, at::Tensor& to);

}  // namespace emend
