#pragma once

#include <ATen/ATen.h>

namespace emend {

// Whether there is a kernel of sigmoid_gate for x: bfloat16 on a CPU with AVX-512, without
// gradients.
bool has_sigmoid_gate(const at::Tensor& x);

// x * sigmoid(linear * x + cubic * x^3), computed in float32 and rounded once; any shape, bfloat16.
// SiLU: (1, 0). Quick GELU: (1.702, 0). GELU by tanh: since (1 + tanh(u)) / 2 = sigmoid(2u),
// linear = 2 sqrt(2 / pi), cubic = 0.044715 * linear [arXiv 1606.08415, section 2].
// LibTorch 1.13 takes 3.6 (SiLU) and 21 (GELU by tanh) times as long.
at::Tensor sigmoid_gate(const at::Tensor& x, double linear, double cubic);

}  // namespace emend
