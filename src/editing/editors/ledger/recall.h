#pragma once

#include <memory>

#include "editing/editors/ledger/scopes/scopes.h"
#include "editing/editors/memory/scoped_answer.h"

namespace emend {

// The memory of a patch, ready to answer questions. Keeps references to `vlm` and `store`.
class LedgerRecall {
 public:
  // Throws emend::Error if tensors of the memory do not fit the model, or if the risk cannot be
  // certified.
  LedgerRecall(const Vlm& vlm, const Patch& patch, ActivationStore* store);

  // Intervention::mix. Logits of questions out of scope keep their bits. In the scope of an edit's
  // consequences, logits change only at positions of the answer where the edit changes the best
  // token.
  at::Tensor mix(const Pass& pass, const at::Tensor& logits) const;

 private:
  // The rows in scope, and which of them are in the scope of consequences.
  struct RecalledAnswer {
    ScopedAnswer answer;
    at::Tensor follows;    // (R) bool, one for each row of the answer
    at::Tensor in_prompt;  // (K) bool, lines that predict a token of the prompt; undefined: none

    // Runs the next token of each row.
    void next(const Model& model, const Pass& pass);
  };

  RecalledAnswer begin(const Pass& pass, const at::Tensor& logits) const;
  // The entry that answers a question in the scope of the consequences of entry `index`: the one
  // that is nearest in the text of the question among those without an image whose prompts name the
  // target, or `index` itself. key: that of the question.
  size_t chained_entry(size_t index, const at::Tensor& key) const;

  const Vlm& vlm_;
  ActivationStore* store_;
  LedgerSettings settings_;
  LedgerState state_;
  std::shared_ptr<const LedgerScopes> scopes_;
};

}  // namespace emend
