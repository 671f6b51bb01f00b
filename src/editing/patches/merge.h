#pragma once

#include <string>
#include <vector>

#include "editing/patches/merged_patches.h"

namespace emend {

// One patch that does what these do together, bit for bit: weights summed by site as a pile of them
// is, entries of a memory in one memory, in which a later one replaces an earlier of its name.
// Throws emend::Error when they belong to different bases or editors, or their memories are read in
// different ways: such patches are applied one beside the other.
// An edit that is given twice (by one id, with the same content, or within a patch that was merged
// from it) is refused: it would count double.
Patch merged(const std::vector<Patch>& patches);

// Patches of one editor as one, added one after the other; what it holds does not grow with their
// number, but for their requests and ids.
class MergedPatch {
 public:
  // Throws emend::Error when the patch belongs to another base model or was made by another editor.
  void add(const Patch& patch);
  bool empty() const { return ids_.empty(); }
  const Pile& pile() const { return pile_; }
  // Throws emend::Error when the memories are read in different ways. Sites that were changed both
  // by low rank and densely are changed densely.
  Patch patch() const;

 private:
  Patch first_;  // without deltas and memory
  Pile pile_;
  std::vector<nlohmann::json> requests_, ids_, settings_;
};

// The patch without one entry of its memory, and without the request that it came from. Throws
// emend::Error when there is none of this name, or no other.
Patch without_entry(Patch patch, const std::string& name);

}  // namespace emend
