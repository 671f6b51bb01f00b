#pragma once

#include <functional>
#include <string>

#include "editing/tracing/trace_options.h"
#include "editing/tracing/trace_result.h"
#include "models/caching/activation_store.h"
#include "models/vlm.h"
#include "suites/record.h"

namespace emend {

// A question to trace.
struct TraceQuery {
  Picture image;              // may be absent
  std::string prompt;         // the formatted prompt
  std::string target = {};    // the traced answer with its leading space; empty: the model's answer
  std::string subject = {};   // words of the prompt; empty: text is not corrupted
  std::string question = {};  // the part of the prompt that is no template; empty: all of it
  Picture other_image = {};   // for image=swap
  std::string other_words = {};  // for text=swap, instead of random words
};

// The state in which a trace runs.
struct TraceContext {
  Interventions base = {};           // earlier edits: changes of weights
  ActivationStore* store = nullptr;  // shared activations; null: each call computes its own
  // Called with the number of restored states that are done, and with their total.
  std::function<void(int64_t done, int64_t total)> on_cell = {};
  // False: one complete pass for each restored state and noise row, for comparison.
  bool share = true;
};

// Causal tracing [arXiv 2202.05262, section 2]: a clean run, corrupted runs, and corrupted runs in
// which clean states are restored at one group of positions after one stage (residual), or at the
// outputs of attention or MLP in a window of blocks. The indirect effect of a state is the restored
// score minus the corrupted score. Text and picture are corrupted in separate runs.
//
// The restored runs that begin at a stage share the corrupted run up to it, and run in batches. The
// positions before the first corrupted one run once, if the text is corrupted. Probabilities are
// computed in float32.
//
// Throws emend::Error if nothing is to be corrupted, the question does not reach a traced module,
// the prompt does not contain the subject, a picture is missing or cannot be used, a setting is out
// of range, or the answer is empty.
TraceResult trace(const Vlm& vlm, const TraceQuery& query, const TraceOptions& options = {},
                  const TraceContext& context = {});

}  // namespace emend
