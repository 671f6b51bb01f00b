#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "editing/patches/patch.h"
#include "evaluation/measuring/averages.h"

namespace emend {

// Parts of a line of samples.jsonl (docs/results.md).

// Adds the edit of the record.
void add_facts(nlohmann::json& line, const Record& record);
// The result of the editor: steps and holds, if the editor reports them, and the size of the patch.
nlohmann::json patch_facts(const Patch& patch);
void add_facts(nlohmann::json& line, const RecordResult& measured);

// Writes each generated picture once into a folder, under the name that samples use.
class PictureFolder {
 public:
  explicit PictureFolder(std::string directory) : directory_(std::move(directory)) {}
  void keep(const Record& record);

 private:
  void keep(const Picture& picture);

  std::string directory_;
  std::set<std::string> written_;
};

}  // namespace emend
