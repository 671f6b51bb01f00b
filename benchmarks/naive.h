#pragma once

#include <string>
#include <vector>

#include "editing/patches/patch.h"
#include "evaluation/measuring/measure.h"

namespace emend::bench {

// What an editor that tunes by gradient changes and how often: read off the patch that it made.
struct Tuning {
  std::vector<SiteDelta> sites;
  int64_t steps = 0;
  double lr = 0;
};

// One record as EasyEdit executes it, pass by pass. `before` and `after`: every probe a batch of
// one, its picture through the vision module again, logits at all positions in float32 on the host.
// The edit: `steps` forward passes from the pixels and as many backward passes. Full weights are
// tuned in place, and put back; low-rank ones (LoRA) beside the weight. Returns the loss after the
// last step, so that nothing can be left out unseen.
double run_naive(const Vlm& vlm, const Record& record, const Protocol& protocol,
                 const Tuning& tuning);

}  // namespace emend::bench
