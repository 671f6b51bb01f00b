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

  // Intervention::mix. Logits of questions out of scope keep their bits.
  at::Tensor mix(const Pass& pass, const at::Tensor& logits) const;

 private:
  ScopedAnswer begin(const Pass& pass, const at::Tensor& logits) const;
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
