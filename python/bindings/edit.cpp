#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>

#include "editing/registry.h"
#include "editing/settings/editor_choice.h"
#include "evaluation/edits/edit_setup.h"
#include "evaluation/edits/report/report.h"
#include "io/error.h"
#include "io/log.h"
#include "model.h"
#include "watch.h"

namespace emend::python {
namespace {

using nlohmann::json;

// How an edit is made and measured.
struct EditArguments {
  EditorChoice choice;
  std::string protocol;  // empty: mmedit-2024 with the prompts of `ask`
  std::string pattern;
  int probes = 0;
};

std::string value_text(const std::string& name, const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  if (!value.is_array())
    throw Error("python::edit",
                fmt::format("setting '{}' must be a text, a number, a bool or a list", name),
                "emend.editors() lists the settings and their defaults");
  std::vector<std::string> parts;
  for (const auto& part : value) parts.push_back(value_text(name, part));
  return fmt::format("{}", fmt::join(parts, ","));
}

// NAME=VALUE for each setting.
std::vector<std::string> setting_pairs(const json& settings) {
  std::vector<std::string> pairs;
  for (const auto& [name, value] : settings.items())
    pairs.push_back(name + "=" + value_text(name, value));
  return pairs;
}

EditorSpec editor_spec(const EditorChoice& choice) {
  auto spec = chosen_editor(choice);
  const auto info = editor_info(spec.name);
  if (info.without_effect)
    for (const auto& sentence : info.without_effect(spec.settings))
      logger().warn("{}: {}", spec.label, sentence);
  return spec;
}

// The patch and the report.
std::pair<std::shared_ptr<Patch>, json> edit(OpenModel& model, EditQuestion question,
                                             const EditArguments& arguments, const Patches& base,
                                             const Watch& watch) {
  const auto begin = std::chrono::steady_clock::now();
  OpenModel::Call call(model);
  auto& vlm = call.vlm();
  const auto spec = editor_spec(arguments.choice);
  const auto editor = make_editor(spec.name, spec.settings);
  check_pictures(vlm, {question});
  EditJob job;
  job.editor = editor.get();
  job.base = &call.stack(base);
  job.defaults = default_probes_for(vlm, {question}, arguments.probes);
  job.seed = static_cast<uint64_t>(arguments.choice.seed);
  const bool as_asked = arguments.protocol.empty();
  auto protocol =
      edit_protocol(make_protocol(as_asked ? "mmedit-2024" : arguments.protocol), as_asked,
                    {arguments.pattern}, editor->name(), question, vlm.processor);
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

  EditReport report{vlm, job, outcome, arguments.choice};
  report.facts = model.run_facts(arguments.choice.seed);
  report.written = outcome.changed() || outcome.holds();
  outcome.patch.effect["metrics"] = metrics_json(vlm, job, outcome);
  outcome.patch.id = patch_id(outcome.patch);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  auto value = report_json(report);
  if (report.written) value["patch"]["path"] = nullptr;  // Patch.save writes the file
  return {std::make_shared<Patch>(std::move(outcome.patch)), std::move(value)};
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
         const std::string& protocol, const std::string& pattern, int64_t seed, const Patches& base,
         const py::object& progress) {
        EditQuestion question{
            picture_of(image), prompt, target, rephrasings, pictures_of(rephrase_images), follows};
        question.subject = subject;
        for (const auto& [text, answer, picture] : locality)
          question.locality.push_back({picture_of(picture), text, answer});
        EditArguments arguments{{}, protocol, pattern, probes};
        arguments.choice.editor = editor;
        arguments.choice.module = module;
        arguments.choice.settings = setting_pairs(from_python(settings));
        arguments.choice.seed = seed;
        auto [patch, report] = edit(model, std::move(question), arguments, base, Watch(progress));
        return std::make_pair(patch, to_python(report));
      },
      "model"_a, "prompt"_a, "target"_a, "image"_a, "editor"_a, "module"_a, "settings"_a,
      "subject"_a, "rephrasings"_a, "rephrase_images"_a, "follows"_a, "locality"_a, "probes"_a,
      "protocol"_a, "pattern"_a, "seed"_a, "base"_a, "progress"_a);
  module.def("editors", [] {
    auto all = json::array();
    for (const auto& info : editor_infos()) all.push_back(to_json(info));
    return to_python(all);
  });
}

}  // namespace emend::python
