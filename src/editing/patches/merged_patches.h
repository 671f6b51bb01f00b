#pragma once

#include <optional>
#include <vector>

#include "editing/patches/patch.h"

namespace emend {

// How the memories of two patches differ, so that they cannot become one: "networks", or "settings:
// NAME is A in one and B in the other".
std::string memory_difference(const Patch& a, const Patch& b);

// The sum of patches. Weight deltas are summed by site: dense deltas are added, and low-rank deltas
// are concatenated to one pair of factors until a dense delta is cheaper, so that long stacks stay
// cheap. Memories with the same editor, network and settings of reading become one.
class MergedPatches {
 public:
  void add(const Patch& patch);
  // See Patch::interventions.
  Interventions interventions(const Vlm& vlm, ActivationStore* store = nullptr) const;
  // A layer can have two: a dense delta and a low-rank one.
  std::vector<SiteDelta> deltas() const;
  // One for each layer: the sum of both is dense.
  std::vector<SiteDelta> site_deltas() const;
  // The keys of all patches, by site; keys with and without gradients are apart.
  const std::vector<SiteKeys>& keys() const { return keys_; }
  // Patches without deltas, one for each memory.
  const std::vector<Patch>& memories() const { return memories_; }

 private:
  void add_weights(const Patch& patch);
  void add_keys(const Patch& patch);
  void add_memory(const Patch& patch);

  // The interventions of the memories for one model and store. They are made again after an edit.
  struct CachedInterventions {
    const Vlm* vlm;
    ActivationStore* store;
    Interventions interventions;
  };

  Interventions sums_;
  std::vector<SiteKeys> keys_;
  std::vector<Patch> memories_;
  mutable std::optional<CachedInterventions> cached_;
};

}  // namespace emend
