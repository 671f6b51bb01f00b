#pragma once

#include <ATen/ATen.h>

namespace emend {

constexpr int64_t kIgnored = -100;  // label that is ignored

// The cross-entropy -sum(m * log p(label)) / sum(m) with m = (label != kIgnored), in float32 for
// every dtype of the logits. logits: (..., V), labels: (...) int64. Logits and labels have the same
// index (the caller shifts). Throws emend::Error if all labels are ignored.
at::Tensor answer_loss(const at::Tensor& logits, const at::Tensor& labels);

}  // namespace emend
