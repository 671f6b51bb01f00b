#pragma once

#include <memory>
#include <string>
#include <vector>

#include "evaluation/measuring/probe_query.h"
#include "evaluation/protocol/protocol.h"
#include "models/caching/activation_store.h"
#include "models/vlm.h"

namespace emend {

// A padded batch before any request is rewritten, with its passes before some stages, ascending.
// Only the unedited model ran before these stages. Both sides of a measurement use the padded
// shape.
struct CachedBatch {
  Batch batch;
  PadSide pad = PadSide::right;
  std::vector<Pass> passes;
};

// Probes that run as one batch, with the cached passes and the ranks of the unedited model.
struct ProbeBatch {
  std::vector<size_t> probes;  // indices into Baseline::queries
  CachedBatch forced;          // prompts and answers; no rows without teacher forcing
  CachedBatch prompts;         // prompts to generate from; no rows without generation
  std::vector<std::vector<int64_t>> answers;  // expected answers, at the end of forced rows
  std::vector<at::Tensor> ranks;  // (positions, k) of a forced locality row before the edit
};

// The measurement before the edit: computed once for a record and shared by all editors.
struct Baseline {
  Protocol protocol;
  std::vector<ProbeQuery> queries;
  std::vector<ProbeBatch> batches;
  std::vector<ProbeBatch> alternatives;        // probes with an alternative, as their answer
  std::vector<std::string> answers;            // by probe
  std::shared_ptr<ActivationStore> own_store;  // used if no store is given
  ActivationStore* store = nullptr;            // null: everything is recomputed
};

// How a record is measured.
struct MeasureOptions {
  ActivationStore* store = nullptr;  // shared activations; null: stored for this record only
  // The stages that later edits may change first: passes are cached before each of them. Empty:
  // before each module.
  std::vector<size_t> boundaries = {};
  // false: each probe is a separate pass from the pixels on, before and after the edit. A
  // comparison of editors then repeats the baseline for each editor.
  bool reuse = true;
  // A record without a reliability probe gets one with the question of the edit.
  bool own_question = true;
};

// Measures the model before the edit. `base`: interventions that are already applied. With a store
// and without a base, the results are stored under a key of everything that they depend on.
Baseline measure_baseline(const Vlm& vlm, const Record& record, const Protocol& protocol = {},
                          const Interventions& base = {}, const MeasureOptions& options = {});

}  // namespace emend
