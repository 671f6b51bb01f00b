#include "editing/tracing/trace_edits.h"

#include "editing/tracing/trace.h"
#include "io/error.h"
#include "models/config/json_fields.h"

namespace emend {

TraceResult trace_edits(const Vlm& vlm, const std::vector<EditRequest>& requests,
                        const std::string& file, Module module, const EditContext& context) {
  if (!file.empty()) {
    const auto base = read_json_object(file).value("base", nlohmann::json());
    if (base.is_string() && base != vlm.fingerprint())
      throw Error("editing::trace", "the trace '" + file + "' belongs to another model",
                  "trace an answer of this model");
    return load_trace(file);
  }
  TraceOptions options;
  options.components = "mlp";
  options.modules = module_name(module);
  options.windows = "1";
  TraceContext tracing;
  tracing.base = context.base;
  tracing.store = context.store;
  std::vector<TraceResult> traces;
  for (const auto& request : requests) {
    TraceQuery query;
    query.image = request.image;
    query.prompt = request.prompt;
    query.subject = request.subject;
    traces.push_back(trace(vlm, query, options, tracing));
  }
  return traces.size() == 1 ? traces.front() : average_traces(traces);
}

}  // namespace emend
