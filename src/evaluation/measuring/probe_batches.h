#pragma once

#include "evaluation/measuring/measure.h"

namespace emend {

// Groups the probes of a record into batches, for measure.cpp.

// `own_question`: see MeasureOptions.
std::vector<Asked> ask(const Record& record, const Protocol& protocol, bool own_question = true);

// Makes few batches, or one for each probe, of token IDs and pixels. Runs no stage.
std::vector<AskedBatch> make_batches(const Vlm& vlm, const std::vector<Asked>& asked,
                                     const Protocol& protocol, bool few);

// Runs the unedited model up to each of the boundaries and keeps the passes before them. Passes of
// prompts end before the language module, where generation starts.
void keep_passes(const Vlm& vlm, AskedBatch& batch, const std::vector<size_t>& boundaries,
                 ActivationStore* store);

// Runs the batch under `interventions` and reuses the latest kept pass that they do not change.
// Without one, the batch is run up to the language module. `ends`: the number of last positions of
// each row that are needed (empty: all); if requests were rewritten, the pass may begin with a
// cached common prefix.
Pass resume(const Vlm& vlm, const KeptBatch& batch, const Interventions& interventions,
            ActivationStore* store, const std::vector<int64_t>& ends = {});

// The part of the interventions' scopes for these probes, out of `probes` probes.
Interventions in_scope(const Interventions& interventions, const std::vector<size_t>& asked,
                       size_t probes);

}  // namespace emend
