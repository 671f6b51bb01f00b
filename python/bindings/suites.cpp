#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "editing/registry.h"
#include "editing/settings/settings_file.h"
#include "evaluation/bench/runner.h"
#include "evaluation/report/report.h"
#include "io/error.h"
#include "io/json/json.h"
#include "io/log.h"
#include "model.h"
#include "watch.h"

namespace emend::python {
namespace {

using nlohmann::json;

// A value of the options; the defaults are in bench.py.
template <class T>
T option(const json& options, const char* name) {
  return json_get<T>(options, name, "options");
}

uint64_t count(const json& options, const char* name) {
  const auto value = option<int64_t>(options, name);
  if (value < 0)
    throw Error("python::bench", fmt::format("{} must not be negative (got {})", name, value));
  return static_cast<uint64_t>(value);
}

SuiteOptions suite_options(const json& options) {
  SuiteOptions suite;
  suite.split = option<std::string>(options, "split");
  suite.data = option<std::string>(options, "data");
  suite.images = option<std::string>(options, "images");
  suite.rephrase_images = option<std::string>(options, "rephrase_images");
  suite.limit = count(options, "limit");
  suite.seed = count(options, "seed");
  suite.form = option<std::string>(options, "form");
  suite.grid = option<bool>(options, "grid");
  const auto missing = option<std::string>(options, "missing_images");
  if (missing == "skip")
    suite.missing_images = MissingImages::skip_records;
  else if (missing == "skip-probes")
    suite.missing_images = MissingImages::skip_probes;
  else if (missing != "refuse")
    throw Error("python::bench", fmt::format("unknown missing_images '{}'", missing),
                "use refuse, skip or skip-probes");
  auto& probes = suite.probes;
  probes.rewordings = probes.variants = probes.text_probes = probes.image_probes =
      probes.portability = static_cast<int>(count(options, "probes"));
  return suite;
}

RunOptions run_options(const json& options, const Suite& suite, const Vlm& vlm) {
  RunOptions run;
  run.directory = option<std::string>(options, "output");
  run.restart = option<bool>(options, "restart");
  run.save_patches = option<bool>(options, "save_patches");
  run.oracle = option<bool>(options, "oracle");
  run.seed = count(options, "seed");
  const auto mode = option<std::string>(options, "mode");
  std::optional<RunOptions::Mode> found;
  for (auto known :
       {RunOptions::Mode::single, RunOptions::Mode::sequential, RunOptions::Mode::batch})
    if (mode == mode_name(known)) found = known;
  if (!found)
    throw Error("python::bench", fmt::format("unknown mode '{}'", mode),
                "use single, sequential or batch");
  run.mode = *found;
  if (!options.at("batch_size").is_null()) run.batch_size = count(options, "batch_size");
  run.judge_at.clear();
  for (auto edits : option<std::vector<int64_t>>(options, "judge_at"))
    run.judge_at.push_back(static_cast<size_t>(std::max<int64_t>(edits, 0)));
  run.judge_sample = count(options, "judge_sample");
  run.protocol = for_suite(make_protocol(option<std::string>(options, "protocol")), suite);
  run.protocol.generate_answers = option<std::string>(options, "answers") == "generated";
  // The same facts as `emend bench`, so that it can resume the run.
  run.facts = {{"limit", options.at("limit")},
               {"device", vlm.model->device().is_cuda() ? "cuda" : "cpu"}};
  if (const auto& dtype = options.at("dtype"); !dtype.is_null()) run.facts["dtype"] = dtype;
  return run;
}

std::vector<EditorSpec> editors_of(const json& options) {
  auto editors = std::vector<EditorSpec>();
  if (const auto list = option<std::string>(options, "editors"); !list.empty())
    editors = parse_editors(list);
  for (auto& editor : editors)
    if (editor_info(editor.name).has_setting("seed")) editor.settings["seed"] = options.at("seed");
  apply_settings(editors, options.at("settings"));
  return editors;
}

void check_suite(const Vlm& vlm, const Suite& suite, const std::string& name) {
  if (suite.completions() && vlm.processor.wraps(false))
    throw Error("python::bench",
                fmt::format("suite '{}' has texts to complete, but the model's chat template is "
                            "applied to prompts",
                            name),
                "load the model with chat_template=False");
  if (!vlm.model->reads_pictures() && suite.record(0).image.present())
    throw Error("python::bench",
                fmt::format("'{}' is a text-only model, but the suite has questions about pictures",
                            vlm.folder),
                "use a vision-language model, or a text suite such as counterfact");
}

// Passes exceptions of Python's functions through code that does not expect them.
class Stopping {
 public:
  explicit Stopping(const Watch& watch) : watch_(watch) {}
  // Returns false after an exception.
  bool operator()(size_t done, size_t total) {
    try {
      watch_("records", static_cast<int64_t>(done), static_cast<int64_t>(total));
      return true;
    } catch (const py::error_already_set& raised) {
      raised_ = std::current_exception();
      return false;
    }
  }
  void rethrow() const {
    if (raised_) std::rethrow_exception(raised_);
  }

 private:
  const Watch& watch_;
  std::exception_ptr raised_;
};

// The content of results.json.
json bench(OpenModel& model, const json& options, const Watch& watch) {
  OpenModel::Call call(model);
  auto& vlm = call.vlm();
  const auto name = option<std::string>(options, "suite");
  const auto editors = editors_of(options);
  const auto suite = open_suite(name, suite_options(options));
  check_suite(vlm, *suite, name);
  auto run = run_options(options, *suite, vlm);
  Stopping stopping(watch);
  run.on_judged = [&](size_t done, size_t total) { return stopping(done, total); };
  set_bos(vlm, run.protocol);
  Runner runner(*suite, editors, run);
  ActivationStore::Options cache;
  cache.directory = option<std::string>(options, "cache_dir");
  ActivationStore store(cache);
  auto outcome = runner.run(vlm, &store);
  stopping.rethrow();
  ReportOptions report;
  const auto facts = suite->metadata();
  for (const char* root : {"images", "rephrase_images"})
    if (facts.contains(root)) report.picture_roots.push_back(facts[root].get<std::string>());
  for (const auto& warning : write_report({run.directory}, run.directory, report))
    logger().warn("{}", warning);
  for (const auto& [label, reason] : outcome.failed_editors)
    logger().warn("{} failed on every record; first error: {}", label, without_places(reason));
  return outcome.results;
}

// None, the path of a file, or the pixels of a drawn picture.
py::object image_of(const Picture& picture) {
  if (!picture.path.empty()) return py::str(picture.path);
  return picture.drawn ? py::object(array_of(*picture.drawn)) : py::object(py::none());
}

py::dict record_of(const Record& record) {
  py::list probes;
  for (const auto& probe : record.probes) {
    py::dict one;
    one["group"] = group_name(probe.group);
    one["image"] = image_of(probe.image);
    one["prompt"] = probe.text;
    one["answer"] = probe.answer;
    probes.append(one);
  }
  py::dict result;
  result["id"] = record.id;
  result["image"] = image_of(record.image);
  result["prompt"] = record.prompt;
  result["target"] = record.target;
  result["truth"] = record.truth;
  result["subject"] = record.subject;
  result["probes"] = probes;
  return result;
}

}  // namespace

void bind_suites(py::module_& module) {
  using namespace pybind11::literals;
  module.def(
      "bench",
      [](OpenModel& model, const py::dict& options, const py::object& progress) {
        return to_python(bench(model, from_python(options), Watch(progress)));
      },
      "model"_a, "options"_a, "progress"_a);
  py::class_<Suite>(module, "Suite")
      .def(py::init([](const py::dict& options) {
             const auto given = from_python(options);
             return open_suite(option<std::string>(given, "suite"), suite_options(given));
           }),
           "options"_a)
      .def("__len__", &Suite::size)
      .def("__getitem__",
           [](const Suite& suite, int64_t index) {
             if (index < 0) index += static_cast<int64_t>(suite.size());
             if (index < 0 || index >= static_cast<int64_t>(suite.size())) throw py::index_error();
             return record_of(suite.record(static_cast<size_t>(index)));
           })
      .def("metadata", [](const Suite& suite) { return to_python(suite.metadata()); });
  module.def("suites", suite_names);
}

}  // namespace emend::python
