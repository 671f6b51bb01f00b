#include "evaluation/tracing/trace_question.h"

#include <fmt/format.h>

#include "evaluation/protocol/metrics.h"
#include "evaluation/tracing/trace_page.h"
#include "io/error.h"
#include "io/strings/blank.h"

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

void check_swaps(const TraceQuery& query, const TraceOptions& options) {
  const auto refuse = [](const char* problem, const char* hint) {
    throw Error("evaluation::trace_question", problem, hint);
  };
  if (query.other_image.present() && options.image != "swap")
    refuse("another picture is given (--other-image), but the picture is not swapped",
           "add --set image=swap, or leave the other picture out");
  if (is_blank(query.other_words)) return;
  if (is_blank(query.subject))
    refuse("other words are given (--other-words), but no subject that they replace",
           "name the subject (--subject WORDS), or leave the other words out");
  if (options.text != "swap")
    refuse("other words are given (--other-words), but the subject is not swapped",
           "add --set text=swap, or leave the other words out");
}

TraceResult trace_question(const Vlm& vlm, const TraceQuery& query, const TraceOptions& options,
                           const TraceContext& context) {
  check_swaps(query, options);
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
