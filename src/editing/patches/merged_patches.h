#pragma once

#include <vector>

#include "editing/patches/patch.h"

namespace emend {

// Patches that stay, as what they come to. Weights are summed by site: dense deltas added, low-rank
// ones side by side in one pair until dense is cheaper, so that long stacks stay cheap. Memories
// that one editor reads in one way are one memory.
class Pile {
 public:
  void add(const Patch& patch);
  // See Patch::interventions.
  Interventions interventions(const Vlm& vlm, ActivationStore* store = nullptr) const;
  std::vector<SiteDelta> deltas() const;
  // Patches without deltas, one a memory.
  const std::vector<Patch>& memories() const { return memories_; }

 private:
  void add_weights(const Patch& patch);
  void add_memory(const Patch& patch);

  Interventions sums_;
  std::vector<Patch> memories_;
};

}  // namespace emend
