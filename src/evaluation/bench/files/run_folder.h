#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "io/json/json_difference.h"

namespace emend {

// The first field in which two versions of run.json differ. None: they are equal, apart from the
// path of the model and aliases of modules.
std::optional<JsonDifference> first_difference(const nlohmann::json& ours,
                                               const nlohmann::json& theirs);

// The folder of a run. Its run.json, {"config": {...}, "editors": [...]}, contains everything that
// the run depends on. A run is resumed only if its run.json is equal, where aliases of a module
// (`ft:vision`, `ft:connector`) are equal, too.
class RunFolder {
 public:
  // Checks the folder and writes nothing. `run` lacks config.model, config.threads and the outcomes
  // of protocol choices (`used`), which are known after the model is opened. Throws emend::Error
  // when the folder is not writable, contains other files, or contains a run that differs (with the
  // name of the field); `restart` allows the latter.
  RunFolder(std::string directory, const nlohmann::json& run, bool restart);

  std::string file(const std::string& name) const { return directory_ + "/" + name; }
  // The labels of the editors of the run in the folder, which a resumed run keeps; empty if there
  // is no run to resume.
  std::vector<std::string> labels() const;
  // Creates the folder and writes run.json (with `restart`, instead of the earlier run), or
  // compares run.json with an existing one and returns the existing one. The path of the model may
  // differ, because the fingerprint identifies the model. Throws emend::Error if another process is
  // writing the earlier run.
  nlohmann::json begin(nlohmann::json run);

 private:
  void compare(const nlohmann::json& ours, const nlohmann::json& theirs) const;

  std::string directory_;
  bool restart_;
  nlohmann::json existing_;  // null: no run
};

}  // namespace emend
