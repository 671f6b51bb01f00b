#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace emend {

// The folder of a run, and run.json in it, {"config": {...}, "editors": [...]}, which says what the
// run depends on: only a run that depends on the same goes on in a folder that is not new.
class RunFolder {
 public:
  // run: without config.model, config.threads and what the protocol's choices come to (`used`),
  // which are known when the model is open. Reads only. Throws emend::Error when the folder cannot
  // be written to, holds something else, or a run that differs (naming the field), unless that is
  // to be thrown away (`restart`).
  RunFolder(std::string directory, const nlohmann::json& run, bool restart);

  std::string file(const std::string& name) const { return directory_ + "/" + name; }
  // Makes the folder and writes run.json; or compares all of it with the one that is there, which
  // is returned: the model's folder may have another name now, which its fingerprint does not mind.
  nlohmann::json begin(nlohmann::json run);

 private:
  void compare(const nlohmann::json& ours, const nlohmann::json& theirs) const;

  std::string directory_;
  bool restart_;
  nlohmann::json there_;  // null: no run
};

}  // namespace emend
