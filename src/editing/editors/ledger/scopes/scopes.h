#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "editing/editors/ledger/entry.h"
#include "editing/editors/ledger/keys/key_index.h"
#include "editing/editors/ledger/ledger.h"
#include "editing/editors/ledger/scopes/calibration_distances.h"
#include "editing/editors/ledger/scopes/certificate.h"

namespace emend {

// The scopes of the entries of a patch. The model is not needed. Keys are on the CPU.
class LedgerScopes : public MemoryCache {
 public:
  // Throws emend::Error if the memory is damaged, or if the risk cannot be certified.
  explicit LedgerScopes(const Patch& patch);
  // The same, with the same bits for up to KeyIndex::kExact entries. For a growing memory, the
  // scopes of its first entries are taken from its cache, and the result is kept there: an added
  // entry is compared with the others, which are not compared again.
  static std::shared_ptr<const LedgerScopes> of(const Patch& patch);

  struct Route {
    at::Tensor entry;    // (B) int64: the index of the entry in whose scope the key is, or -1
    at::Tensor follows;  // (B) bool: it is nearer to the key of the entry's consequences
  };
  // keys: (B, width).
  Route route(const at::Tensor& keys) const;
  const std::vector<std::shared_ptr<const LedgerEntry>>& entries() const { return entries_; }
  const Certificate& certificate() const { return certificate_; }
  // Whether an entry that is not superseded edits this fact. Empty: not known, so none does.
  bool edits(const std::string& fact) const;
  // For each entry, the latest entry that replaces it because it edits the same question, or -1.
  const std::vector<int64_t>& superseded() const { return superseded_; }
  // {certificate, superseded: [{entry, by}]}, with the names of the entries.
  nlohmann::json facts() const;

 private:
  // Copies of an object share its tensors, which are not changed in place.
  LedgerScopes(const LedgerScopes&) = default;

  // Adds the entries of the memory that are new.
  void extend(const Memory& memory);
  // Marks entries that `first` and later ones replace. Returns the index of all keys if it is made.
  std::shared_ptr<const KeyIndex> supersede(int64_t first);
  void calibrate(const Memory& memory, const std::vector<bool>& was_active);
  // How many of these entries are about the fact of each calibration question, or about a subject
  // that it mentions: (M) int32.
  at::Tensor entries_about(const Memory& memory, const std::vector<size_t>& entries) const;
  // Whether these are the scopes of the first entries of the patch.
  bool is_prefix_of(const Patch& patch) const;

  // The parts of keys (N, width) that count, scaled so that the squared distance of two keys is
  // that of their scopes.
  at::Tensor scope_keys(const at::Tensor& keys) const;

  nlohmann::json settings_json_, config_json_;
  LedgerSettings settings_;
  LedgerConfig shape_;
  at::Tensor calibration_;  // (M, width)
  // Of the calibration questions, if their facts are not known; otherwise empty.
  std::shared_ptr<const std::vector<std::string>> texts_;
  std::vector<std::shared_ptr<const LedgerEntry>> entries_;
  std::vector<int64_t> superseded_;
  at::Tensor all_keys_;          // (N, W) of all entries: the parts that count
  at::Tensor all_consequences_;  // (N, V); undefined: they are not in scope
  at::Tensor active_;            // (active entries) their indices
  std::shared_ptr<const KeyIndex> keys_, consequences_;  // of the active entries
  CalibrationDistances to_keys_, to_consequences_;
  // (M) int32: the number of active entries about the question's fact, or about a subject that it
  // mentions
  at::Tensor edited_;
  Certificate certificate_;
};

}  // namespace emend
