#pragma once

#include "models/core/model.h"

namespace emend {

// The pass that feeds each row's next token, everything before it in `last`'s cache. It stands
// before the language module and asks for one line of logits a row. tokens: (B) int64.
Pass next_pass(const Model& model, const Pass& last, const at::Tensor& tokens);

}  // namespace emend
