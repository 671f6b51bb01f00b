#pragma once

#include <string>
#include <vector>

#include "models/vlm.h"
#include "suites/record.h"

namespace emend {

// A question with the answer fed in behind it.
struct ForcedQuery {
  Picture image;       // may be absent
  std::string prompt;  // as the model is to see it
  std::string target;  // with its leading space; tokenised apart from the prompt
};

// Rows of prompt and answer as one batch, each distinct picture once, and where the answers stand.
struct ForcedBatch {
  Batch batch;
  std::vector<int64_t> answer_begin;          // (B) index in the row of the first answer token
  std::vector<std::vector<int64_t>> answers;  // answer tokens of each row
  int64_t width = 0;                          // T, the longest row
};

// `end_of_answer`: the first stop token of the processor follows the answer and counts as part of
// it. Throws emend::Error when a prompt is empty or a target gives no tokens.
ForcedBatch force(const Vlm& vlm, const std::vector<ForcedQuery>& queries, bool end_of_answer);

// Positions in the flattened (B * T) whose logits predict the answers' tokens, row by row, right
// padded.
at::Tensor answer_positions(const ForcedBatch& forced);
// The answers' tokens in that order.
at::Tensor answer_tokens(const ForcedBatch& forced);

}  // namespace emend
