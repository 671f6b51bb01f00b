#pragma once

#include <ATen/ATen.h>

namespace emend {

// Whether mixed_linear can replace at::linear: x is float32 and the weight bfloat16 or half.
bool is_mixed(const at::Tensor& x, const at::Tensor& weight);

// y = x W^T + b in float32 with a weight that is stored in 16 bits, with the result of at::linear
// on the upcast weight. Blocks of rows of the weight are upcast when they are used: at most
// kUpcastRows rows, or kUpcastBytes if that is more, are in memory in float32. x: (..., in),
// weight: (out, in), bias: (out) float32 or undefined -> (..., out). Gradients flow to x and to the
// bias; the weight is a constant.
at::Tensor mixed_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

// A block should fit into the cache, but the BLAS packs x again for each block.
constexpr int64_t kUpcastBytes = 4 << 20, kUpcastRows = 384;

}  // namespace emend
