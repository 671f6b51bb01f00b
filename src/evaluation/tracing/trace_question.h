#pragma once

#include <nlohmann/json.hpp>

#include "editing/tracing/trace.h"

namespace emend {

// The options of a trace from its settings. `seed` counts if no setting sets one. `question`:
// unless `grid` is set, a trace of one question has four rows and columns over the picture. Throws
// emend::Error for every error in the settings, so that they are found before a model is used.
TraceOptions trace_options(nlohmann::json settings, int64_t seed, bool question);

// Throws emend::Error for another picture or other words that no corruption uses.
void check_swaps(const TraceQuery& query, const TraceOptions& options);

// Traces one question of a user. For a given target, `answer` of the result is what the model
// generates, with a note if that is another answer. Throws emend::Error as trace() does.
TraceResult trace_question(const Vlm& vlm, const TraceQuery& query, const TraceOptions& options,
                           const TraceContext& context);

// trace.json of `emend trace`, without the facts of the run and the names of files.
nlohmann::json question_trace_json(const Vlm& vlm, const TraceQuery& query,
                                   const TraceOptions& options, const TraceResult& result);

}  // namespace emend
