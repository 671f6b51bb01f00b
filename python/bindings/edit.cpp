#include <fmt/format.h>

#include "editing/registry.h"
#include "evaluation/edits/edit_job.h"
#include "evaluation/measuring/averages.h"
#include "evaluation/protocol/protocol.h"
#include "io/error.h"
#include "io/log.h"
#include "model.h"
#include "watch.h"

namespace emend::python {
namespace {

using nlohmann::json;

// How an edit is made and measured.
struct EditArguments {
  std::string editor, module;
  json settings;         // of the editor
  std::string protocol;  // empty: mmedit-2024 with the prompts of `ask`
  std::string pattern;
  int probes = 0;
  uint64_t seed = 0;
};

EditorSpec editor_spec(const EditArguments& arguments) {
  const bool both = !arguments.module.empty() && arguments.editor.find(':') != std::string::npos;
  if (both)
    throw Error("python::edit",
                fmt::format("editor '{}' already names a module, so module '{}' is not valid",
                            arguments.editor, arguments.module),
                "remove one of them");
  const auto module = arguments.module.empty() ? "" : ":" + arguments.module;
  const auto specs = parse_editors(arguments.editor + module);
  if (specs.size() != 1)
    throw Error("python::edit", fmt::format("editor '{}' names several editors", arguments.editor),
                "choose one; emend.bench compares several");
  auto spec = specs.front();
  const auto info = editor_info(spec.name);
  if (info.has_setting("seed")) spec.settings["seed"] = arguments.seed;
  if (!arguments.settings.is_null()) spec.settings.update(arguments.settings);
  if (info.without_effect)
    for (const auto& sentence : info.without_effect(spec.settings))
      logger().warn("{}: {}", spec.label, sentence);
  return spec;
}

Protocol edit_protocol(const EditArguments& arguments, const std::string& editor,
                       const EditQuestion& question, const Processor& processor) {
  auto protocol = make_protocol(arguments.protocol.empty() ? "mmedit-2024" : arguments.protocol);
  if (arguments.protocol.empty()) {
    if (protocol.bos == Protocol::Bos::none) protocol.bos = Protocol::Bos::model;
    protocol.answer_space = Protocol::AnswerSpace::plain;
  }
  const bool bare = protocol.question_template == "{}";
  protocol = for_editor(protocol, editor);
  if (processor.wraps(processor.layout.num_image_tokens > 0))
    protocol.image_locality_template = "{}";
  if (!arguments.pattern.empty()) protocol.captions.clear();
  const auto given = bare && arguments.pattern.empty() ? "{}" : arguments.pattern;
  const auto pattern =
      pattern_for(given, question.prompt, processor.wraps(question.image.present()));
  if (pattern != protocol.question_template) {
    protocol.question_template = pattern;
    protocol.name += fmt::format(" with prompt \"{}\"", pattern);
  }
  return protocol;
}

void check_pictures(const Vlm& vlm, const EditQuestion& question) {
  if (vlm.model->num_image_tokens() > 0) return;
  bool any = question.image.present() || !question.other_pictures.empty();
  for (const auto& one : question.locality) any |= one.image.present();
  if (any)
    throw Error("python::edit", fmt::format("'{}' is a text-only model", vlm.folder),
                "remove the pictures, or use a vision-language model");
}

// The default probes of the groups that have no locality questions from the user.
DefaultProbes default_probes(const Vlm& vlm, const EditQuestion& question, int probes) {
  DefaultProbes defaults;
  defaults.world = probe_world(vlm.folder);
  defaults.texts = probes;
  defaults.pictures = vlm.model->num_image_tokens() > 0 ? probes : 0;
  for (const auto& one : question.locality)
    (one.image.present() ? defaults.pictures : defaults.texts) = 0;
  return defaults;
}

json report_of(const Vlm& vlm, const EditJob& job, const EditOutcome& outcome) {
  const auto& verdict = outcome.edits.front();
  const auto& question = job.edits.front().question;
  json report = precision_facts(vlm.precision);
  report["version"] = EMEND_VERSION;
  report["model"] = vlm.folder;
  report["base"] = outcome.patch.base;
  report["editor"] = {{"name", outcome.patch.editor}, {"settings", outcome.patch.settings}};
  report["prompt"] = verdict.prompt;
  report["image"] = question.image.path.empty() ? json() : json(question.image.path);
  report["target"] = question.target;
  report["before"] = verdict.before;
  report["after"] = verdict.after;
  report["holds"] = verdict.holds;
  report["effect"] = verdict.effect;
  report["metrics"] = {{"protocol", to_json(job.edits.front().protocol, vlm)},
                       {"scores", to_json(outcome.scores)}};
  report["failed_tokens"] = json::array();
  for (const auto& token : verdict.failed) report["failed_tokens"].push_back(to_json(token));
  report["probes"] = json::array();
  for (const auto& probe : verdict.measured.probes) report["probes"].push_back(to_json(probe));
  report["on_patches"] = json::array();
  for (const auto& patch : job.base->patches()) report["on_patches"].push_back(patch.id);
  report["earlier_edits"] = json::array();
  for (const auto& edit : outcome.earlier) report["earlier_edits"].push_back(to_json(edit));
  report["edit_seconds"] = outcome.seconds;
  return report;
}

// The patch and the report.
std::pair<std::shared_ptr<Patch>, json> edit(OpenModel& model, EditQuestion question,
                                             const EditArguments& arguments, const Patches& base,
                                             const Watch& watch) {
  OpenModel::Call call(model);
  auto& vlm = call.vlm();
  const auto spec = editor_spec(arguments);
  const auto editor = make_editor(spec.name, spec.settings);
  check_pictures(vlm, question);
  EditJob job;
  job.editor = editor.get();
  job.base = &call.stack(base);
  job.defaults = default_probes(vlm, question, arguments.probes);
  job.seed = arguments.seed;
  auto protocol = edit_protocol(arguments, editor->name(), question, vlm.processor);
  set_bos(vlm, protocol);
  job.edits.push_back({std::move(question), std::move(protocol)});
  std::string part;
  job.on_part = [&](const std::string& name) {
    part = name;
    watch(part, 0, 0);
  };
  job.on_step = [&](int64_t step, int64_t steps, double loss) {
    watch(part, step, steps, fmt::format("loss {:.3g}", loss));
  };
  job.on_probes = [&](size_t probes) { watch(part, static_cast<int64_t>(probes), 0); };
  auto outcome = run_edits(vlm, job);
  auto report = report_of(vlm, job, outcome);
  outcome.patch.effect["metrics"] = report["metrics"];
  report["patch"] = {{"id", outcome.patch.id},
                     {"sites", outcome.patch.deltas.size()},
                     {"entries", outcome.patch.memory.entries.size()}};
  return {std::make_shared<Patch>(std::move(outcome.patch)), std::move(report)};
}

json describe(const EditorInfo& info) {
  json settings = json::array();
  for (const auto& setting : info.settings)
    settings.push_back({{"name", setting.name},
                        {"default", setting.value},
                        {"range", setting.range},
                        {"meaning", setting.meaning}});
  return {{"name", info.name},
          {"summary", info.summary},
          {"settings", settings},
          {"departures", info.departures}};
}

std::vector<Picture> pictures_of(const std::vector<py::object>& images) {
  std::vector<Picture> pictures;
  for (const auto& image : images) pictures.push_back(picture_of(image));
  return pictures;
}

}  // namespace

void bind_edit(py::module_& module) {
  using namespace pybind11::literals;
  module.def(
      "edit",
      [](OpenModel& model, const std::string& prompt, const std::string& target,
         const py::object& image, const std::string& editor, const std::string& module,
         const py::dict& settings, const std::string& subject,
         const std::vector<std::string>& rephrasings,
         const std::vector<py::object>& rephrase_images,
         const std::vector<std::pair<std::string, std::string>>& follows,
         const std::vector<std::tuple<std::string, std::string, py::object>>& locality, int probes,
         const std::string& protocol, const std::string& pattern, uint64_t seed,
         const Patches& base, const py::object& progress) {
        EditQuestion question{
            picture_of(image), prompt, target, rephrasings, pictures_of(rephrase_images), follows};
        question.subject = subject;
        for (const auto& [text, answer, picture] : locality)
          question.locality.push_back({picture_of(picture), text, answer});
        const EditArguments arguments{editor, module, from_python(settings), protocol, pattern,
                                      probes, seed};
        auto [patch, report] = edit(model, std::move(question), arguments, base, Watch(progress));
        return std::make_pair(patch, to_python(report));
      },
      "model"_a, "prompt"_a, "target"_a, "image"_a, "editor"_a, "module"_a, "settings"_a,
      "subject"_a, "rephrasings"_a, "rephrase_images"_a, "follows"_a, "locality"_a, "probes"_a,
      "protocol"_a, "pattern"_a, "seed"_a, "base"_a, "progress"_a);
  module.def("editors", [] {
    auto all = json::array();
    for (const auto& info : editor_infos()) all.push_back(describe(info));
    return to_python(all);
  });
}

}  // namespace emend::python
