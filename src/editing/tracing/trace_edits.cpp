#include "editing/tracing/trace_edits.h"

#include "editing/tracing/trace.h"

namespace emend {

TraceResult trace_edits(const Vlm& vlm, const std::vector<EditRequest>& requests,
                        const std::string& file, Module module, const EditContext& context) {
  if (!file.empty()) return load_trace(file, vlm.fingerprint());
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
