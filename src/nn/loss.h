#pragma once

#include <ATen/ATen.h>

namespace emend {

constexpr int64_t kIgnored = -100;  // a label that does not count

// -sum(m * log p(label)) / sum(m) with m = (label != kIgnored); float32 whatever the logits' dtype.
// logits: (..., V), labels: (...) int64; a logit row judges the label at its own index (the caller
// shifts). Throws emend::Error when no label counts.
at::Tensor answer_loss(const at::Tensor& logits, const at::Tensor& labels);

}  // namespace emend
