#pragma once

#include <vector>

#include "editing/editors/memory/counterfactual.h"

namespace emend {

// The rows of a batch that are in the scope of an edit, with the edit of each row.
struct ScopedRows {
  std::vector<int64_t> rows;                   // indices of the batch's rows, ascending
  std::vector<const EditPrefix*> prefixes;     // one for each row
  std::vector<const Projection*> projections;  // one for each row, or empty
};

// The answers of an edited model to the rows in scope. The other rows keep their bits. During
// generation, it continues with the tokens that were generated.
class ScopedAnswer {
 public:
  // No row is in scope.
  ScopedAnswer() = default;
  // Runs the rows in scope. `batch` has the rows of `pass`, `image_features` is the result of
  // get_image_features for its pictures, and the scopes of `changes` (Intervention::on_rows) refer
  // to `scoped`.
  ScopedAnswer(const Model& model, const Pass& pass, const Batch& batch,
               const at::Tensor& image_features, const ScopedRows& scoped, Interventions changes);
  bool empty() const { return rows_.numel() == 0; }
  // Runs the next token of each row. Throws emend::Error if a row with its edit is too long.
  void next(const Model& model, const Pass& pass);

  // (K) the index of each answered line of the flattened logits of `pass`, and the index into
  // `scoped` of its row.
  const at::Tensor& lines() const { return lines_; }
  const at::Tensor& row_of() const { return row_of_; }
  at::Tensor logits() const { return pass_.logits(); }  // (K, V)
  // `logits` with these lines replaced: (B, T, V) or (K, V), as `logits`.
  at::Tensor replaced(const at::Tensor& logits, const at::Tensor& lines) const;

 private:
  at::Tensor rows_ = at::empty({0}, at::kLong);
  at::Tensor lines_, row_of_;
  Pass pass_;
  Interventions changes_;
};

}  // namespace emend
