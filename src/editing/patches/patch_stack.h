#pragma once

#include <string>
#include <vector>

#include "editing/patches/merged_patches.h"

namespace emend {

// Patches on one model. They stack in order and come off in any order; what remains is as if the
// others had never been there. They run as their pile, which is made anew from the list when a
// patch comes off: (W + d) - d would not be W.
class PatchStack {
 public:
  // Throws emend::Error when the patch belongs to another base, is already there, or names a site
  // that the model has not or has in another shape.
  void apply(const Vlm& vlm, Patch patch);
  // Throws emend::Error when no patch has this id.
  void remove(const std::string& id);
  Interventions interventions(const Vlm& vlm, ActivationStore* store = nullptr) const {
    return pile_.interventions(vlm, store);
  }
  const std::vector<Patch>& patches() const { return patches_; }

 private:
  std::vector<Patch> patches_;
  Pile pile_;
};

}  // namespace emend
