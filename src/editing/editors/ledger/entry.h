#pragma once

#include <string>
#include <vector>

#include "editing/patches/patch.h"

namespace emend {

// An entry of a ledger's memory. The tensors of the stored entry are its key, the key of its
// consequences (optional), and `SITE.up` and `SITE.down` of its change.
struct LedgerEntry {
  MemoryEntry stored;
  std::string prompt, target;
  std::string fact;     // of the suite; empty: not known
  std::string subject;  // of an edit whose fact is not known; empty: not known either
  bool has_image = true;

  // Throws emend::Error if the entry has no prompt or no target.
  static LedgerEntry read(const MemoryEntry& stored);
  // Throws emend::Error if there is no such tensor of this width.
  at::Tensor key(int64_t width) const { return tensor("key", "key", width); }
  at::Tensor consequences(int64_t width) const {
    return tensor("consequences", "key of consequences", width);
  }
  // The low-rank change. Throws emend::Error if a tensor is not a factor of a site's change.
  std::vector<SiteDelta> change(const Model& model) const;

 private:
  at::Tensor tensor(const char* name, const char* description, int64_t width) const;
};

// The entry to be stored. `consequences` may be undefined.
MemoryEntry ledger_entry(const std::string& name, nlohmann::json facts, const at::Tensor& key,
                         const at::Tensor& consequences, const std::vector<SiteDelta>& change);

}  // namespace emend
