#pragma once

#include <ATen/ATen.h>

namespace emend {

// Whether small_batch_linear can replace at::linear or mixed_linear: on the CPU, at most
// kernels::kSmallBatchRows rows, no gradients, a contiguous weight, and the types bfloat16 with a
// bfloat16 weight, or float32 with a bfloat16 or half weight.
bool has_small_batch_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

// y = x W^T + b for few rows, where the time is spent on reading the weight: each of its elements
// is read once, in place, and summed in float32. LibTorch's bfloat16 kernel first copies the weight
// into another layout or, for these shapes, reads it more slowly. The result of a row does not
// depend on the other rows. x: (..., in) -> (..., out), in x's dtype.
at::Tensor small_batch_linear(const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& bias);

}  // namespace emend
