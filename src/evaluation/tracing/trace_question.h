#pragma once

#include <nlohmann/json.hpp>

#include "editing/tracing/trace.h"

namespace emend {

// Traces one question of a user. For a given target, `answer` of the result is what the model
// generates, with a note if that is another answer. Throws emend::Error as trace() does.
TraceResult trace_question(const Vlm& vlm, const TraceQuery& query, const TraceOptions& options,
                           const TraceContext& context);

// trace.json of `emend trace`, without the facts of the run and the names of files.
nlohmann::json question_trace_json(const Vlm& vlm, const TraceQuery& query,
                                   const TraceOptions& options, const TraceResult& result);

}  // namespace emend
