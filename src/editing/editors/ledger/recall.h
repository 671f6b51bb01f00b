#pragma once

#include <utility>
#include <vector>

#include "editing/editors/ledger/certificate.h"
#include "editing/editors/ledger/ledger.h"
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
  // For each key (B, width): the index of the entry in whose scope it is, or -1. (B) int64.
  at::Tensor route(const at::Tensor& keys) const;

  const Certificate& certificate() const { return certificate_; }
  // For each entry, the later entry that replaces it because its question is in the entry's scope,
  // or -1.
  const std::vector<int64_t>& superseded() const { return superseded_; }

 private:
  ScopedAnswer begin(const Pass& pass, const at::Tensor& logits) const;
  // (A, width) -> (A): the squared distance to the nearest active entry, and its index.
  std::pair<at::Tensor, at::Tensor> nearest(const at::Tensor& keys) const;

  const Vlm& vlm_;
  ActivationStore* store_;
  LedgerSettings settings_;
  LedgerState state_;
  std::vector<MemoryEntry> entries_;
  std::vector<int64_t> superseded_;
  at::Tensor active_;  // (active entries) their indices
  at::Tensor keys_;    // (active entries, width) the parts that count
  Certificate certificate_;
};

// The tensors of an entry: its key, and `SITE.up` and `SITE.down` of its change.
MemoryEntry ledger_entry(const std::string& name, nlohmann::json facts, const at::Tensor& key,
                         const std::vector<SiteDelta>& change);

}  // namespace emend
