#pragma once

#include <ATen/ATen.h>

namespace emend {

// Whether few_rows_linear can replace at::linear or mixed_linear: on the CPU, at most kFewRows
// rows, no gradients, and a kernel for these types. There are kernels for bfloat16 with AVX-512,
// and for float32 with a bfloat16 or half weight with AVX2.
bool are_few_rows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

constexpr int64_t kFewRows = 4;

// y = x W^T + b for few rows, where the time is spent on reading the weight: each of its elements
// is read once, in place, and summed in float32. LibTorch's bfloat16 kernel first copies the weight
// into another layout or, for these shapes, reads it more slowly. x: (..., in) -> (..., out), in
// x's dtype.
at::Tensor few_rows_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace emend
