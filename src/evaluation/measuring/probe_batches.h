#pragma once

#include "evaluation/measuring/baseline.h"

namespace emend {

// Groups the probes of a record into batches, for measure.cpp.

// `own_question`: see MeasureOptions.
std::vector<ProbeQuery> probe_queries(const Record& record, const Protocol& protocol,
                                      bool own_question = true);

// Makes few batches, or one for each probe, of token IDs and pixels. Runs no stage.
std::vector<ProbeBatch> make_probe_batches(const Vlm& vlm, const std::vector<ProbeQuery>& queries,
                                           const Protocol& protocol, bool few);

// Runs the unedited model up to each of the boundaries and keeps the passes before them. Passes of
// prompts end before the language module, where generation starts.
void cache_passes(const Vlm& vlm, ProbeBatch& batch, const std::vector<size_t>& boundaries,
                  ActivationStore* store);

// Runs the batch under `interventions` and reuses the latest kept pass that they do not change.
// Without one, the batch is run up to the language module. `ends`: the number of last positions of
// each row that are needed (empty: all); if requests were rewritten, the pass may begin with a
// cached common prefix.
Pass resume(const Vlm& vlm, const CachedBatch& batch, const Interventions& interventions,
            ActivationStore* store, const std::vector<int64_t>& ends = {});

// The part of the interventions' scopes for these probes, out of `probes` probes.
Interventions in_scope(const Interventions& interventions, const std::vector<size_t>& probe_indices,
                       size_t probes);

}  // namespace emend
