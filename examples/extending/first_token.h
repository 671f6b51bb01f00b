#pragma once

#include <ATen/ATen.h>

namespace emend {

// The share of rows whose first answer token is right. logits: (B, T, V), labels: (B, T) with
// kIgnored at positions that do not count; see evaluation/protocol/metrics.h.
double first_token_accuracy(const at::Tensor& logits, const at::Tensor& labels);

}  // namespace emend
