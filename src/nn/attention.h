#pragma once

#include <ATen/ATen.h>

namespace emend {

// (B, T, heads * d) -> (B, heads, T, d), and its inverse.
at::Tensor split_heads(const at::Tensor& x, int64_t heads);
at::Tensor merge_heads(const at::Tensor& x);

// softmax(q k^T * scale + bias) v, with the softmax in float32 for every dtype.
// q: (B, heads, T, d), k, v: (B, heads, S, d), bias: broadcasts to (B, heads, T, S) or undefined.
// Returns (B, heads, T, d).
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const at::Tensor& bias, double scale);

// Grouped-query attention (Ainslie et al. 2023): k, v: (B, groups, S, d). `heads` is a multiple of
// `groups`, and consecutive heads share a group.
at::Tensor grouped_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const at::Tensor& bias, double scale);

// The bias for a bool mask (true: may attend): 0 or the lowest finite number of the dtype, so that
// a padded position, which attends to nothing, gives an average instead of NaN.
at::Tensor attention_bias(const at::Tensor& attention_mask, at::ScalarType dtype);

}  // namespace emend
