#pragma once

#include <string>
#include <vector>

#include "editing/patches/merged_patches.h"

namespace emend {

// The ids of the patch and of all patches that were merged into it.
std::vector<std::string> contained_ids(const Patch& patch);

// Merges patches into one patch with the same effect, bit for bit: weight deltas are summed by site
// as MergedPatch sums them, and the entries of memories become one memory, in which a later entry
// replaces an earlier one with the same name. Throws emend::Error if the patches have different
// base models or editors, or if their memories have different networks or settings. Such patches
// can be applied separately.
// Throws emend::Error if an edit is given twice (with the same id, the same content, or as part of
// a merged patch), because it would count twice.
Patch merged(const std::vector<Patch>& patches);

// Accumulates patches of one editor. The memory use does not depend on the number of patches,
// except for their requests and ids.
class MergedPatch {
 public:
  // Throws emend::Error if the patch belongs to another base model or to another editor.
  void add(const Patch& patch);
  bool empty() const { return ids_.empty(); }
  const MergedPatches& merged() const { return merged_; }
  // Throws emend::Error if the memories have different networks or settings. A site with both
  // low-rank and dense deltas gets a dense delta.
  Patch patch() const;
  // One or two patches from which `continued` restores this object exactly: the second has the
  // low-rank deltas of sites that also have a dense one. Empty: patches cannot represent it.
  std::vector<Patch> parts() const;
  // The object that had these parts. Throws emend::Error if they are something else.
  static MergedPatch continued(const std::vector<Patch>& parts);

 private:
  // A patch of all edits with these sums.
  Patch with_deltas(std::vector<SiteDelta> deltas) const;

  Patch first_;  // without deltas and memory
  MergedPatches merged_;
  std::vector<nlohmann::json> requests_, ids_, settings_;
};

// Returns the patch without one entry of its memory and without the entry's request. Throws
// emend::Error if there is no entry of this name, or no other entry.
Patch without_entry(Patch patch, const std::string& name);

}  // namespace emend
