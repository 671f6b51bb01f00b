#pragma once

#include <ATen/ATen.h>

namespace emend {

// Whether few_rows_linear can stand for at::linear or mixed_linear: on the CPU, at most kFewRows
// rows, nothing to differentiate, and a kernel for these types: bfloat16 throughout on a processor
// with AVX-512; float32 with a weight in bfloat16 or half on one with AVX2.
bool are_few_rows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

constexpr int64_t kFewRows = 4;

// y = x W^T + b for few rows, where reading the weight is all that costs: each of its elements is
// read once, where it lies, and summed in float32. LibTorch's kernel for bfloat16 copies the weight
// into another layout first or, for these shapes, reads it more slowly. x: (..., in) -> (..., out),
// in x's dtype.
at::Tensor few_rows_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace emend
