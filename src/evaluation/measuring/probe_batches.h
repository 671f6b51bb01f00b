#pragma once

#include "evaluation/measuring/measure.h"

namespace emend {

// How a record's probes become batches, for measure.cpp.

std::vector<Asked> ask(const Record& record, const Protocol& protocol);

// Few batches, or one for each probe. Token ids and pixels only: nothing has run.
std::vector<AskedBatch> make_batches(const Vlm& vlm, const std::vector<Asked>& asked,
                                     const Protocol& protocol, bool few);

// Runs the unedited model up to each of the boundaries and keeps the passes before them; those of
// prompts end before the language module, where generation begins.
void keep_passes(const Vlm& vlm, AskedBatch& batch, const std::vector<size_t>& boundaries,
                 ActivationStore* store);

// The batch under `interventions`, as far as it need not be run again: the latest kept pass that
// they leave alone, or one made anew, which stands before the language module. `ends`: how many
// last positions of each row are asked for; where requests were rewritten, what rows begin with may
// have been run already and be in the pass' cache. Empty: all.
Pass resume(const Vlm& vlm, const KeptBatch& batch, const Interventions& interventions,
            ActivationStore* store, const std::vector<int64_t>& ends = {});

// The part of the interventions' scopes that is about these probes, of `probes` in all.
Interventions in_scope(const Interventions& interventions, const std::vector<size_t>& asked,
                       size_t probes);

}  // namespace emend
