#pragma once

#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/training/forced.h"

namespace emend {

// The positions of an edit in the language module whose site inputs are keys and whose site outputs
// are optimized, as distances from the end of the teacher-forced row (1: the last position), in the
// order of the row. Context templates are put before the prompt, so that the distances are the same
// in every context. The first row of `forced` is the request. `lookup` is subject, constraint
// (both: the last token of request.subject), last (the last token of the prompt), last_image (the
// last token of the picture), answer (every position that predicts a token of the answer) or auto
// (subject if it is known and there is no picture, otherwise answer). Throws emend::Error if the
// prompt does not contain the subject, or there is no picture.
std::vector<int64_t> lookup_positions(const Vlm& vlm, const EditRequest& request,
                                      const std::string& lookup, const ForcedBatch& forced);

// The index of the last token of `words` in the prompt of a row (see find_words). Throws
// emend::Error if there is none.
int64_t last_token_of(const Vlm& vlm, const Row& row, const std::string& words);

}  // namespace emend
