#pragma once

#include <ATen/ATen.h>

namespace emend {

// Whether `dtype` is bfloat16 or half.
inline bool has_16_bits(at::ScalarType dtype) {
  return dtype == at::kBFloat16 || dtype == at::kHalf;
}

// Writes `from` as float32 into `to`; both contiguous, on the CPU, of the same size; `from` is
// bfloat16 or half. LibTorch converts half numbers one by one.
void upcast(const at::Tensor& from, at::Tensor& to);

}  // namespace emend
