#include "evaluation/protocol/prompt_template.h"
#include "evaluation/protocol/protocol.h"
#include "evaluation/tracing/heat_map.h"
#include "evaluation/tracing/trace_page.h"
#include "evaluation/tracing/trace_question.h"
#include "model.h"
#include "watch.h"

namespace emend::python {
namespace {

using nlohmann::json;

// trace.json, and `figures`: an SVG for each corruption.
json traced(OpenModel& model, TraceQuery query, const std::string& target, const json& settings,
            const Patches& patches, const std::string& pattern, const Watch& watch) {
  const auto options = trace_options(settings, /*seed=*/0, /*question=*/true);
  OpenModel::Call call(model);
  const auto& vlm = call.vlm();
  const bool wraps = vlm.processor.wraps(query.image.present());
  query.prompt = fill_template(prompt_template({pattern}, query.question, wraps), query.question);
  if (!target.empty()) query.target = continuation(Protocol(), target);
  TraceContext context;
  context.store = &call.store();
  context.base = call.stack(patches).interventions(vlm, &call.store());
  context.on_cell = [&](int64_t done, int64_t total) { watch("restored states", done, total); };
  const auto result = trace_question(vlm, query, options, context);
  auto value = model.run_facts(settings.value("seed", int64_t{0}));
  value.update(question_trace_json(vlm, query, options, result));
  value["figures"] = json::object();
  for (const auto& runs : result.runs)
    value["figures"][runs.corrupted] = heat_map_svg(runs, runs_title(result, runs));
  return value;
}

}  // namespace

void bind_trace(py::module_& module) {
  using namespace pybind11::literals;
  module.def(
      "trace",
      [](OpenModel& model, const std::string& prompt, const py::object& image,
         const std::string& target, const std::string& subject, const py::dict& settings,
         const py::object& other_image, const std::string& other_words, const Patches& patches,
         const std::string& pattern, const py::object& progress) {
        TraceQuery query;
        query.image = picture_of(image);
        query.other_image = picture_of(other_image);
        query.subject = subject;
        query.other_words = other_words;
        query.question = prompt;
        return to_python(traced(model, std::move(query), target, from_python(settings), patches,
                                pattern, Watch(progress)));
      },
      "model"_a, "prompt"_a, "image"_a, "target"_a, "subject"_a, "settings"_a, "other_image"_a,
      "other_words"_a, "patches"_a, "pattern"_a, "progress"_a);
}

}  // namespace emend::python
