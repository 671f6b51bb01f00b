#pragma once

#include "editing/editors/liveedit/networks.h"

namespace emend {

// The losses of LiveEdit's routing [arXiv 2411.15432], for N pairs of a question (input) and an
// edit with the features of both, (N, n, D) each. s has the similarities of all inputs and all
// edits, (N, N), and z that of each input and the sentinel, (N). e = 1e-8.

// The texts of pair i mean the same, those of i and j need not:
//   mean over i of
//     -log(softmax_j(s)_ii + e) - log(sigmoid(s_ii) + e) - log(1 - sigmoid(s_i,i-1) + e)
// where i - 1 is modulo N. With one pair, the last term is omitted.
at::Tensor soft_routing_loss(const at::Tensor& inputs, const at::Tensor& edits);

// The pictures of pair i show the same: mean over i of -log(softmax([s_i, z_i])_i + e).
at::Tensor neighbor_loss(const at::Tensor& inputs, const at::Tensor& edits,
                         const at::Tensor& sentinels);

// No edit has the picture of any input: mean over i of -log(softmax([s_i, z_i])_N + e).
at::Tensor sentinel_loss(const at::Tensor& inputs, const at::Tensor& edits,
                         const at::Tensor& sentinels);

}  // namespace emend
