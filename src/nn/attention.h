#pragma once

#include <ATen/ATen.h>

namespace emend {

// (B, T, heads * d) -> (B, heads, T, d), and back.
at::Tensor split_heads(const at::Tensor& x, int64_t heads);
at::Tensor merge_heads(const at::Tensor& x);

// softmax(q k^T * scale + bias) v, the softmax in float32 whatever the dtype.
// q: (B, heads, T, d), k, v: (B, heads, S, d), bias: broadcasts to (B, heads, T, S) or undefined.
// Returns (B, heads, T, d).
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const at::Tensor& bias, double scale);

// The same where groups of heads share keys and values (Ainslie et al. 2023): k, v: (B, groups, S,
// d), heads being a multiple of groups, neighbours together.
at::Tensor grouped_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const at::Tensor& bias, double scale);

// What a bool mask (true: may look) adds to the scores: 0, or the dtype's lowest finite number, so
// that a padded position, which may look at nothing, gives an average and not NaN.
at::Tensor attention_bias(const at::Tensor& may_look, at::ScalarType dtype);

}  // namespace emend
