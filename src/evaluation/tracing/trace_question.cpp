#include "evaluation/tracing/trace_question.h"

#include <fmt/format.h>

#include "evaluation/protocol/metrics.h"
#include "evaluation/tracing/trace_page.h"

namespace emend {

TraceOptions trace_options(nlohmann::json settings, int64_t seed, bool question) {
  constexpr int64_t kGrid = 4;
  if (!settings.contains("seed") && seed != 0) settings["seed"] = seed;
  if (!settings.contains("grid") && question) settings["grid"] = kGrid;
  auto options = read_settings<TraceOptions>("trace", settings);
  options.component_list();
  options.module_list();
  options.window_list(1);
  return options;
}

TraceResult trace_question(const Vlm& vlm, const TraceQuery& query, const TraceOptions& options,
                           const TraceContext& context) {
  auto result = trace(vlm, query, options, context);
  if (!result.answer.empty()) return result;
  GenerationOptions generation;
  generation.max_new_tokens = options.max_new_tokens;
  const Query asked{query.image.present() ? std::optional(query.image.load()) : std::nullopt,
                    query.prompt};
  result.answer = generate(vlm, {asked}, context.base, generation, context.store).at(0);
  if (!same_answer(result.answer, result.target))
    result.notes.insert(
        result.notes.begin(),
        fmt::format("The model answers '{}'. The trace is of '{}', which --target names.",
                    result.answer, result.target));
  return result;
}

nlohmann::json question_trace_json(const Vlm& vlm, const TraceQuery& query,
                                   const TraceOptions& options, const TraceResult& result) {
  auto json = to_json(result);
  json["model"] = vlm.folder;
  json["base"] = vlm.fingerprint();
  json["image"] = query.image.path.empty() ? nlohmann::json() : nlohmann::json(query.image.path);
  json["settings"] = settings_json(options);
  json["summary"] = trace_summary(result);
  return json;
}

}  // namespace emend
