#include "evaluation/report/run_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "evaluation/measuring/preferences.h"
#include "evaluation/protocol/protocol.h"
#include "evaluation/protocol/result_keys.h"
#include "io/error.h"
#include "io/files/path.h"
#include "io/json/json.h"

namespace emend {
namespace {

using nlohmann::json;
constexpr const char* kRunReaderPlace = "evaluation::report";
constexpr const char* kHint = "compare the file with docs/results.md; it may have been edited";

[[noreturn]] void refuse_run(const std::string& where, const std::string& problem) {
  throw Error(kRunReaderPlace, fmt::format("'{}': {}", where, problem), kHint);
}

int64_t read_count(const json& object, const char* key, const std::string& where) {
  auto count = json_get<int64_t>(object, key, where);
  if (count < 0) refuse_run(where, fmt::format("'{}' must not be negative (got {})", key, count));
  return count;
}

std::optional<double> read_amount(const json& object, const char* key, const std::string& where) {
  if (!object.is_object() || !object.contains(key) || object[key].is_null()) return {};
  auto amount = json_get<double>(object, key, where);
  if (!std::isfinite(amount) || amount < 0)
    refuse_run(where, fmt::format("'{}' must be a number of at least 0 (got {})", key, amount));
  return amount;
}

const json& read_object(const json& object, const char* key, const std::string& where) {
  json_get<json>(object, key, where);  // throws if it is missing or null
  const auto& value = object[key];
  if (!value.is_object())
    refuse_run(where, fmt::format("'{}' should be an object but is {}", key, value.type_name()));
  return value;
}

// An empty list if the key is absent.
const json& read_list(const json& object, const char* key, const std::string& where) {
  static const json empty = json::array();
  if (!object.contains(key) || object[key].is_null()) return empty;
  if (!object[key].is_array())
    refuse_run(where, fmt::format("'{}' should be a list but is {}", key, object[key].type_name()));
  return object[key];
}

GroupScores read_groups(const json& object, const char* key, const std::string& where) {
  GroupScores scores;
  const auto& groups = read_object(object, key, where);
  for (const auto& [name, value] : groups.items()) {
    auto at = fmt::format("{}.{}.{}", where, key, name);
    auto& score = scores[group_named(name, fmt::format("{}.{}", where, key))];
    score.score = read_share(value, "score", at);
    score.error = read_amount(value, "stderr", at);
    score.generated = read_optional_share(value, "generated", at);
    score.vqa = read_optional_share(value, "vqa", at);
    score.probes = read_count(value, "probes", at);
  }
  return scores;
}

// Empty if the key is absent.
PreferenceScores read_preferences(const json& object, const char* key, const std::string& where) {
  PreferenceScores scores;
  if (!object.contains(key) || object[key].is_null()) return scores;
  for (const auto& [name, value] : read_object(object, key, where).items()) {
    const auto& infos = preference_infos();
    if (std::none_of(infos.begin(), infos.end(),
                     [&](const PreferenceInfo& info) { return name == info.name; }))
      refuse_run(where, fmt::format("unknown score '{}'", name.substr(0, 60)));
    const auto at = fmt::format("{}.{}.{}", where, key, name);
    auto& score = scores[name];
    score.score = read_share(value, "score", at);
    score.error = read_amount(value, "stderr", at);
    score.probes = read_count(value, "probes", at);
  }
  return scores;
}

std::string one_of(const json& object, const char* key, const std::set<std::string>& allowed,
                   const std::string& where) {
  auto value = json_get<std::string>(object, key, where);
  if (!allowed.count(value))
    refuse_run(where, fmt::format("'{}' is '{}', expected one of {}", key, value,
                                  fmt::join(allowed, ", ")));
  return value;
}

std::vector<GridCell> read_grid(const json& editor, const std::string& where) {
  std::vector<GridCell> grid;
  std::set<std::string> seen;
  for (const auto& cell : read_list(editor, "grid", where)) {
    auto at = fmt::format("{}.grid[{}]", where, grid.size());
    GridCell read;
    read.text = one_of(cell, "text", {"edited", "similar", "unrelated"}, at);
    read.image = one_of(cell, "image", {"edited", "similar", "unrelated", "none"}, at);
    read.expects = one_of(cell, "expects", {"target", "unchanged"}, at);
    read.score = read_share(cell, "score", at);
    read.generated = read_optional_share(cell, "generated", at);
    read.probes = read_count(cell, "probes", at);
    if (!seen.insert(read.text + "|" + read.image + "|" + read.expects).second)
      refuse_run(at, fmt::format("duplicate cell for text {}, image {}", read.text, read.image));
    grid.push_back(std::move(read));
  }
  return grid;
}

std::vector<CurvePoint> read_curve(const json& editor, const std::string& where) {
  std::vector<CurvePoint> curve;
  for (const auto& point : read_list(editor, "curve", where)) {
    auto at = fmt::format("{}.curve[{}]", where, curve.size());
    CurvePoint read{read_count(point, "edits", at), read_count(point, "judged", at),
                    read_groups(point, "groups", at), read_preferences(point, "preferences", at)};
    if (!curve.empty() && read.edits <= curve.back().edits)
      refuse_run(at, "the numbers of edits do not increase");
    curve.push_back(std::move(read));
  }
  return curve;
}

EditorRun read_editor(const json& object, const std::string& file, size_t index) {
  auto where = fmt::format("{}, editors[{}]", file, index);
  EditorRun editor;
  editor.label = json_get<std::string>(object, "label", where);
  where = fmt::format("{}, editors[{}] ({})", file, index, editor.label.substr(0, 60));
  editor.name = json_get_or<std::string>(object, "name", editor.label, where);
  editor.settings = json_get_or<json>(object, "settings", json::object(), where);
  if (object.contains("protocol") && !object["protocol"].is_null())
    editor.protocol = read_object(object, "protocol", where);
  editor.records = read_count(object, "records", where);
  for (const auto& failure : read_list(object, "failed", where)) {
    auto at = fmt::format("{}.failed[{}]", where, editor.failed.size());
    editor.failed.push_back({json_get<std::string>(failure, "record", at),
                             json_get_or<std::string>(failure, "stage", "", at),
                             json_get<std::string>(failure, "reason", at)});
  }
  editor.groups = read_groups(object, "groups", where);
  if (object.contains("groups_when_made") && !object["groups_when_made"].is_null())
    for (const auto& [group, score] : read_groups(object, "groups_when_made", where))
      if (auto found = editor.groups.find(group); found != editor.groups.end())
        found->second.after_edit = score.score;
  editor.preferences = read_preferences(object, "preferences", where);
  for (const auto& [name, score] : read_preferences(object, "preferences_when_made", where))
    if (auto found = editor.preferences.find(name); found != editor.preferences.end())
      found->second.after_edit = score.score;
  editor.grid = read_grid(object, where);
  editor.curve = read_curve(object, where);
  if (object.contains("patch") && !object["patch"].is_null()) {
    const auto& patch = read_object(object, "patch", where);
    editor.sites = read_amount(patch, "sites", where + ".patch");
    editor.parameters = read_amount(patch, "parameters", where + ".patch");
  }
  return editor;
}

// Every value of the sweep must have its editor.
std::optional<Sweep> read_sweep(const json& config, const std::set<std::string>& labels,
                                const std::string& file) {
  if (!config.contains("sweep")) return {};
  const auto where = file + ", config.sweep";
  const auto& object = read_object(config, "sweep", file + ", config");
  Sweep sweep{json_get<std::string>(object, "editor", where),
              json_get<std::string>(object, "setting", where),
              json_get<std::vector<std::string>>(object, "values", where)};
  if (sweep.values.empty()) refuse_run(where, "'values' is empty");
  for (const auto& value : sweep.values)
    if (const auto label = sweep_label(sweep, value); !labels.count(label))
      refuse_run(where, fmt::format("the editor '{}' is missing", label.substr(0, 100)));
  return sweep;
}

// The seconds of the points of a curve. Points that the curve does not have are left out.
void read_cost_curve(const json& timings, std::vector<CurvePoint>& curve,
                     const std::string& where) {
  for (const auto& point : read_list(timings, "curve", where)) {
    const auto edits = read_count(point, "edits", where + ".curve");
    for (auto& score : curve) {
      if (score.edits != edits) continue;
      score.edit_seconds = read_amount(point, "edit_seconds", where + ".curve");
      score.judge_seconds = read_amount(point, "judge_seconds", where + ".curve");
    }
  }
}

// `results` and `n-samples`, which other programs read, must agree with the list of editors.
void check_flat(const json& root, const Run& run, const std::string& file) {
  const auto& results = read_object(root, "results", file);
  const auto& samples = read_object(root, "n-samples", file);
  const auto name_of_all =
      json_get<std::string>(run.config["protocol"], "name", file + ", config.protocol");
  for (const auto& editor : run.editors) {
    auto protocol = name_of_all;
    if (!editor.protocol.is_null())
      protocol = json_get<std::string>(editor.protocol, "name", file + ", protocol of an editor");
    auto key = run.suite + "|" + editor.label;
    auto at = fmt::format("{}, results.{}", file, key);
    const auto& flat = read_object(results, key.c_str(), file + ", results");
    for (const auto& [group, score] : editor.groups) {
      auto name = fmt::format("{},{}", group_name(group), protocol);
      if (flat.contains(name) && std::abs(read_share(flat, name.c_str(), at) - score.score) > 1e-6)
        refuse_run(at, fmt::format("'{}' is {}, but the editor's group has {}", name,
                                   flat[name].dump(), score.score));
    }
    read_object(samples, key.c_str(), file + ", n-samples");
  }
  if (results.size() != run.editors.size())
    refuse_run(file, fmt::format("'results' has {} entries for {} editors", results.size(),
                                 run.editors.size()));
}

}  // namespace

Group group_named(const std::string& name, const std::string& where) {
  if (const auto group = find_group(name)) return *group;
  refuse_run(where, fmt::format("unknown group of probes '{}'", name.substr(0, 60)));
}

double read_share(const json& object, const char* key, const std::string& where) {
  auto share = json_get<double>(object, key, where);
  if (!(share >= -1e-9 && share <= 1 + 1e-9))
    refuse_run(where, fmt::format("'{}' must be between 0 and 1 (got {})", key, share));
  return share;
}

std::optional<double> read_optional_share(const json& object, const char* key,
                                          const std::string& where) {
  if (!object.is_object() || !object.contains(key) || object[key].is_null()) return {};
  return read_share(object, key, where);
}

Run read_run(const std::string& folder) {
  const auto in_folder = [&](const char* name) {
    return (std::filesystem::path(folder) / name).string();
  };
  const auto file = in_folder("results.json");
  if (!path_exists(file) && path_exists(in_folder("run.json")))
    throw Error(kRunReaderPlace, fmt::format("'{}' contains a run that is not finished", folder),
                "give the same `emend bench` command again, which finishes it");
  auto root = read_json(file);
  rename_old_result_keys(root, 6);
  if (json_get<std::string>(root, "format", file) != "emend-results")
    refuse_run(file, "'format' is not 'emend-results'");
  if (auto version = json_get<int64_t>(root, "version", file); version != 1)
    throw Error(
        kRunReaderPlace,
        fmt::format("'{}' has version {}, but this program supports version 1", file, version),
        "use the version of emend that wrote it, or run the benchmark again");
  Run run;
  run.folder = folder;
  run.config = read_object(root, "config", file);
  auto at = file + ", config";
  run.suite = json_get<std::string>(read_object(run.config, "suite", at), "name", at + ".suite");
  read_object(run.config, "protocol", at);
  run.mode = one_of(run.config, "mode", {"single", "sequential", "batch"}, at);
  run.fingerprint =
      json_get<std::string>(read_object(run.config, "model", at), "fingerprint", at + ".model");
  run.partial = json_get_or<bool>(root, "partial", false, file);
  if (run.config.contains("seed")) run.seed = run.config["seed"];

  std::set<std::string> labels;
  for (const auto& editor : json_get<json>(root, "editors", file)) {
    run.editors.push_back(read_editor(editor, file, run.editors.size()));
    if (!labels.insert(run.editors.back().label).second)
      refuse_run(file, fmt::format("duplicate editor '{}'", run.editors.back().label));
  }
  if (run.editors.empty()) refuse_run(file, "'editors' is empty");
  run.sweep = read_sweep(run.config, labels, file);
  for (const auto& line : read_list(root, "exam", file)) {
    const auto where = fmt::format("{}, exam[{}]", file, run.exam.size());
    ExamResult exam{json_get<std::string>(line, "editor", where),
                    read_count(line, "after_edits", where), read_count(line, "questions", where),
                    read_count(line, "right", where)};
    if (!labels.count(exam.editor)) refuse_run(where, fmt::format("no editor '{}'", exam.editor));
    if (exam.right > exam.questions || exam.questions == 0)
      refuse_run(where, fmt::format("{} of {} answers are right", exam.right, exam.questions));
    run.exam.push_back(std::move(exam));
  }
  check_flat(root, run, file);
  run.original = read_count(root["n-samples"][run.suite + "|" + run.editors.front().label],
                            "original", file + ", n-samples");
  const auto timings = json_get_or<json>(root, "timings", json::object(), file);
  for (auto& editor : run.editors) {
    if (!timings.is_object() || !timings.contains(editor.label)) continue;
    auto where = fmt::format("{}, timings.{}", file, editor.label);
    editor.edit_seconds = read_amount(timings[editor.label], "edit_seconds", where);
    editor.judge_seconds = read_amount(timings[editor.label], "judge_seconds", where);
    editor.before_seconds = read_amount(timings[editor.label], "before_seconds", where);
    read_cost_curve(timings[editor.label], editor.curve, where);
  }
  return run;
}

}  // namespace emend
