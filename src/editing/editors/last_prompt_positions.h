#pragma once

#include "models/core/pass.h"

namespace emend {

// (B, T) bool: the position of the last token of each row's prompt, before a teacher-forced answer.
// A step of generation has none.
at::Tensor last_prompt_positions(const Pass& pass);

}  // namespace emend
