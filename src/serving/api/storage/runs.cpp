#include "serving/api/storage/runs.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "evaluation/report/run_reader.h"
#include "io/error.h"
#include "io/files/path.h"
#include "serving/api_error.h"
#include "serving/plain_name.h"

namespace emend {
namespace fs = std::filesystem;
namespace {

nlohmann::json describe_run(const std::string& name, const std::string& folder) {
  nlohmann::json object = {{"name", name}};
  struct stat status {};
  if (::stat((folder + "/results.json").c_str(), &status) == 0) object["written"] = status.st_mtime;
  try {
    const auto run = read_run(folder);
    auto editors = nlohmann::json::array();
    int64_t edits = 0;
    for (const auto& editor : run.editors) {
      editors.push_back(editor.label);
      edits += editor.records;
    }
    object["suite"] = run.suite;
    object["protocol"] = run.config.at("protocol").at("name");
    object["editors"] = editors;
    object["records"] = run.original;
    object["edits"] = edits;
    object["interrupted"] = run.partial;
  } catch (const Error& error) {
    object["problem"] = without_places(error.what());
  }
  return object;
}

}  // namespace

nlohmann::json list_runs(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const auto name = at->path().filename().string();
    if (is_plain_name(name) && is_file(at->path() / "results.json")) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  auto runs = nlohmann::json::array();
  for (const auto& name : names) runs.push_back(describe_run(name, folder + "/" + name));
  return runs;
}

std::string run_folder(const std::string& folder, const std::string& name) {
  const auto path = folder + "/" + name;
  if (!is_plain_name(name) || !is_file(path + "/results.json"))
    throw ApiError(404, "not_found_error",
                   fmt::format("there is no run '{}'", name.substr(0, 100)));
  return path;
}

}  // namespace emend
