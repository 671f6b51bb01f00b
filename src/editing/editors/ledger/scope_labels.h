#pragma once

#include <vector>

#include "editing/editors/memory/scope_questions.h"

namespace emend {

// Which combinations of a text and a picture are in the scope of each edit of a training step. The
// texts are the distinct prompts, U of them; the pictures are those of the batch, N of them, and
// none. A pair (u, n) has the index u * (N + 1) + n.
struct ScopeLabels {
  std::vector<int64_t> text_queries;  // (U) a question with the text
  std::vector<int64_t> edit_text;     // (L) the text of each edit
  std::vector<int64_t> edit_pair;     // (L) its pair
  // (L, U * (N + 1)) bool. Pairs in neither are not known, and the edit itself is in neither.
  at::Tensor in_scope, out_of_scope;
};

// In scope: the example's texts in scope with its pictures in scope. Out of scope: the example's
// locality questions as they are; its texts in scope with the pictures of other examples and, if
// the edit has a picture, without one; its unrelated texts with its pictures in scope; and the
// questions of other examples as they are, except equal texts without a picture.
ScopeLabels scope_labels(const ScopeQuestions& all, const ForcedBatch& forced, size_t examples);

}  // namespace emend
