#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "editing/editors/ledger/certificate.h"
#include "editing/editors/ledger/key_index.h"
#include "editing/editors/ledger/ledger.h"

namespace emend {

// The scopes of the entries of a patch. The model is not needed. Keys are on the CPU.
class LedgerScopes {
 public:
  // Throws emend::Error if the memory is damaged, or if the risk cannot be certified.
  explicit LedgerScopes(const Patch& patch);

  struct Route {
    at::Tensor entry;    // (B) int64: the index of the entry in whose scope the key is, or -1
    at::Tensor follows;  // (B) bool: it is nearer to the key of the entry's consequences
  };
  // keys: (B, width).
  Route route(const at::Tensor& keys) const;
  const Certificate& certificate() const { return certificate_; }
  // Whether an entry that is not superseded edits this fact. Empty: not known, so none does.
  bool edits(const std::string& fact) const { return !fact.empty() && facts_.count(fact) > 0; }
  // For each entry, the latest entry that replaces it because it edits the same question, or -1.
  const std::vector<int64_t>& superseded() const { return superseded_; }
  // {certificate, superseded: [{entry, by}]}, with the names of the entries.
  nlohmann::json facts() const;

 private:
  // The parts of keys (N, width) that count, scaled so that the squared distance of two keys is
  // that of their scopes.
  at::Tensor scoped(const at::Tensor& keys) const;
  // keys: (A, all parts) -> (A): the squared distance to the nearest active entry or to the key of
  // its consequences, and its route, whatever the distance is.
  std::pair<at::Tensor, Route> nearest(const at::Tensor& keys) const;

  LedgerSettings settings_;
  LedgerConfig shape_;
  std::vector<std::string> names_;
  std::set<std::string> facts_;  // of the active entries, where they are known
  std::vector<int64_t> superseded_;
  at::Tensor active_;                     // (active entries) their indices
  std::optional<KeyIndex> keys_;          // of the active entries: the parts that count
  std::optional<KeyIndex> consequences_;  // the keys of their consequences; none: not in scope
  Certificate certificate_;
};

}  // namespace emend
