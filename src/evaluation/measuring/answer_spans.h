#pragma once

#include <vector>

#include "models/core/pass.h"

namespace emend {

// Consecutive positions of a row whose logits are needed.
struct Span {
  int64_t begin, end;
};

// For each row of a teacher-forced pass, the positions that predict its answer. They are counted
// from the end of the row, because the part before the answer may have been rewritten. Throws
// emend::Error if a row does not end with its answer.
std::vector<Span> answer_spans(const Pass& pass, const std::vector<std::vector<int64_t>>& answers);

// One span for each row, as positions in the flattened (rows * width).
at::Tensor flattened_spans(const std::vector<Span>& spans, int64_t width);

}  // namespace emend
