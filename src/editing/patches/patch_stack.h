#pragma once

#include <string>
#include <vector>

#include "editing/patches/merged_patches.h"

namespace emend {

// Patches that are applied to one model. They can be removed in any order, and the result is the
// same as if a removed patch had never been added. After a removal, their sum is computed again
// from the list, because (W + d) - d may differ from W.
class PatchStack {
 public:
  // Throws emend::Error if the patch belongs to another base model, is already applied, or names a
  // site that the model does not have or that has another shape.
  void apply(const Vlm& vlm, Patch patch);
  // Throws emend::Error if no patch has this id.
  void remove(const std::string& id);
  Interventions interventions(const Vlm& vlm, ActivationStore* store = nullptr) const {
    return merged_.interventions(vlm, store);
  }
  const std::vector<SiteKeys>& keys() const { return merged_.keys(); }
  const std::vector<Patch>& memories() const { return merged_.memories(); }
  const std::vector<Patch>& patches() const { return patches_; }

 private:
  std::vector<Patch> patches_;
  MergedPatches merged_;
};

}  // namespace emend
