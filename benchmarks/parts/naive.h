#pragma once

#include <string>
#include <vector>

#include "editing/patches/patch.h"
#include "evaluation/measuring/measure.h"

namespace emend::bench {

// The weight deltas, steps and learning rate of an optimizing editor, taken from its patch.
struct Tuning {
  std::vector<SiteDelta> sites;
  int64_t steps = 0;
  double lr = 0;
};

// Executes one record as EasyEdit does, pass by pass. Measurements before and after: every probe is
// a batch of one, its picture goes through the vision module again, and logits of all positions are
// float32 on the host. The edit: `steps` forward passes from the pixels and as many backward
// passes. Dense deltas change the weights in place, and are undone; low-rank ones (LoRA) stay
// separate. Returns the loss after the last step, which shows that no step was skipped.
double run_naive(const Vlm& vlm, const Record& record, const Protocol& protocol,
                 const Tuning& tuning);

}  // namespace emend::bench
