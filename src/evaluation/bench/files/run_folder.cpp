#include "evaluation/bench/files/run_folder.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "editing/targets/target_modules.h"
#include "evaluation/protocol/result_keys.h"
#include "io/error.h"
#include "io/files/path.h"
#include "io/files/writable.h"
#include "io/json/json.h"
#include "io/json/json_lines.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
constexpr const char* kRunFolderPlace = "evaluation::run_folder";
constexpr const char* kAnother = "use another -o FOLDER, or --restart to discard the earlier run";
constexpr const char* kFormat = "emend-run";

// All files of a run and its report. run.json is removed last, because it marks the folder as a
// run.
const std::vector<std::string> kFiles = {
    "report.html",  "table.md",   "table.csv",  "table_wide.csv", "table.tex",     "results.json",
    "pictures",     "patches",    "edits",      "samples.jsonl",  "timings.jsonl", "exam.jsonl",
    "traces.jsonl", "trace.json", "trace.html", "run.json"};

// Removes the outcomes of protocol choices that depend on the model.
void drop_outcomes(nlohmann::json& holder) {
  if (!holder.is_object() || !holder.contains("protocol") || !holder["protocol"].is_object())
    return;
  for (const char* choice : {"bos", "ranking_dtype"})
    if (auto found = holder["protocol"].find(choice);
        found != holder["protocol"].end() && found->is_object())
      for (const char* outcome : {"used", "reason"}) found->erase(outcome);
}

// Names the modules of editors by their canonical names, so that aliases do not matter.
nlohmann::json with_canonical_modules(nlohmann::json run) {
  const nlohmann::json::json_pointer swept("/config/sweep/editor");
  if (run.contains(swept) && run.at(swept).is_string())
    run[swept] = canonical_label(run.at(swept).get<std::string>());
  if (!run.contains("editors") || !run["editors"].is_array()) return run;
  for (auto& editor : run["editors"]) {
    if (!editor.is_object()) continue;
    if (auto label = editor.find("label"); label != editor.end() && label->is_string())
      *label = canonical_label(label->get<std::string>());
    const nlohmann::json::json_pointer where("/settings/module");
    if (editor.contains(where) && editor.at(where).is_string())
      editor[where] = canonical_module(editor.at(where).get<std::string>());
  }
  return run;
}

}  // namespace

RunFolder::RunFolder(std::string directory, const nlohmann::json& run, bool restart)
    : directory_(std::move(directory)), restart_(restart) {
  if (directory_.empty())
    throw Error(kRunFolderPlace, "no output folder is given", "give a folder with -o");
  check_writable_folder(directory_);
  if (!path_exists(directory_)) return;
  if (!path_exists(file("run.json"))) {
    std::error_code error;
    if (!fs::is_empty(directory_, error) || error)
      throw Error(kRunFolderPlace,
                  fmt::format("folder '{}' is not empty and contains no run", directory_),
                  "give a new folder with -o");
    return;
  }
  existing_ = read_json(file("run.json"));
  rename_old_result_keys(existing_, 5);
  if (json_get_or<std::string>(existing_, "format", "", file("run.json")) != kFormat)
    throw Error(kRunFolderPlace, fmt::format("'{}' is not a run of emend", file("run.json")),
                "give a new folder with -o");
  if (restart_) return;
  auto theirs = existing_;
  // Fields that are known only after the model is opened. --dtype may already have set the dtype.
  for (const char* late : {"model", "threads", "dtype", "weights", "dtype_reason"})
    if (theirs.contains("config") && theirs["config"].is_object() && !run["config"].contains(late))
      theirs["config"].erase(late);
  if (theirs.contains("config")) drop_outcomes(theirs["config"]);
  if (theirs.contains("editors") && theirs["editors"].is_array())
    for (auto& editor : theirs["editors"]) {
      drop_outcomes(editor);
      if (editor.is_object()) editor.erase("files");
    }
  compare(run, theirs);
}

std::optional<JsonDifference> first_difference(const nlohmann::json& ours,
                                               const nlohmann::json& theirs) {
  auto expected = with_canonical_modules(ours);
  expected["format"] = kFormat;
  expected["version"] = 1;
  auto found =
      first_json_difference(expected, with_canonical_modules(theirs), "config.model.folder");
  if (found) found->theirs = json_text_at(theirs, found->where);
  return found;
}

void RunFolder::compare(const nlohmann::json& ours, const nlohmann::json& theirs) const {
  if (const auto difference = first_difference(ours, theirs))
    throw Error(kRunFolderPlace,
                fmt::format("'{}' contains a run with other options: {} was {} and is now {}",
                            directory_, difference->field, difference->theirs, difference->ours),
                kAnother);
}

std::vector<std::string> RunFolder::labels() const {
  std::vector<std::string> labels;
  if (existing_.is_null() || restart_) return labels;
  for (const auto& editor : existing_.at("editors"))
    labels.push_back(editor.at("label").get<std::string>());
  return labels;
}

nlohmann::json RunFolder::begin(nlohmann::json run) {
  if (!existing_.is_null() && !restart_) {
    compare(run, existing_);
    return existing_;
  }
  if (restart_) {
    // The locks are held while the files are removed. A run that another process is writing stays.
    std::vector<std::unique_ptr<JsonLines>> locks;
    for (const char* name : {"samples.jsonl", "traces.jsonl"})
      if (path_exists(file(name)))
        locks.push_back(std::make_unique<JsonLines>(file(name), /*durable=*/false));
    for (const auto& name : kFiles) {
      std::error_code error;
      fs::remove_all(file(name), error);
      if (error)
        throw Error(kRunFolderPlace,
                    fmt::format("cannot remove '{}': {}", file(name), error.message()),
                    "check the permissions of the folder, or use another folder (-o)");
    }
  }
  make_folders(directory_);
  run["format"] = kFormat;
  run["version"] = 1;
  write_json(file("run.json"), run);
  return run;
}

}  // namespace emend
