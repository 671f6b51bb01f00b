#pragma once

#include "nn/attachment.h"

namespace emend {

// A short vector of a distribution of next tokens: a random projection of the square roots of the
// probabilities, with entries +-1/sqrt(width) that are the same on every machine. The squared
// distance of two sketches is about twice the squared Hellinger distance of the distributions: 0 if
// they are equal, 2 if they have no token in common.
constexpr int64_t kSketchWidth = 64;
// logits: (B, V). Returns (B, kSketchWidth) float32.
at::Tensor answer_sketch(const at::Tensor& logits);

}  // namespace emend
