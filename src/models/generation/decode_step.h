#pragma once

#include "models/core/model.h"

namespace emend {

// Returns the pass for the next token of each row, with all earlier tokens in the cache of `last`.
// It is at the start of the language module and has one position of logits for each row. tokens:
// (B) int64.
Pass decode_step(const Model& model, const Pass& last, const at::Tensor& tokens);

}  // namespace emend
