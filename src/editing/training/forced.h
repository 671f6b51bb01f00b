#pragma once

#include <string>
#include <vector>

#include "editing/editor.h"
#include "models/vlm.h"
#include "suites/record.h"

namespace emend {

// A question with its teacher-forced answer.
struct TargetQuery {
  Picture image;          // may be absent
  std::string prompt;     // the formatted prompt
  std::string target;     // includes the leading space; tokenized separately from the prompt
  std::string fact = {};  // Probe::fact
};

// Prompts and answers as one batch, with each distinct picture once, and the positions of the
// answers.
struct ForcedBatch {
  Batch batch;
  std::vector<int64_t> answer_begin;          // (B) index of the first answer token in the row
  std::vector<std::vector<int64_t>> answers;  // answer tokens of each row
  int64_t width = 0;                          // T, the length of the longest row
};

// `end_of_answer`: the first stop token of the processor is appended to the answer and counts as
// part of it. Throws emend::Error if a prompt is empty or a target has no tokens.
ForcedBatch force(const Vlm& vlm, const std::vector<TargetQuery>& queries, bool end_of_answer);
// The same for the questions and targets of edits.
ForcedBatch force_edits(const Vlm& vlm, const std::vector<EditRequest>& requests,
                        bool end_of_answer);

// Returns the positions in the flattened (B * T) whose logits predict the answer tokens, row by
// row. The batch is right-padded.
at::Tensor answer_positions(const ForcedBatch& forced);
// Returns the answer tokens in the same order.
at::Tensor answer_tokens(const ForcedBatch& forced);

}  // namespace emend
