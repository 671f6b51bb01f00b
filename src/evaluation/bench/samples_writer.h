#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "editing/patches/patch.h"
#include "evaluation/measuring/measure.h"

namespace emend {

// The parts of a line of samples.jsonl (docs/results.md).

// What the record asks for.
void describe(nlohmann::json& line, const Record& record);
// What the editor did: steps and holds, where it says so, and the size of the patch.
nlohmann::json described(const Patch& patch);
void describe(nlohmann::json& line, const Measured& measured);

// Writes drawn pictures into a folder, each once, under the names that samples give them.
class PictureFolder {
 public:
  explicit PictureFolder(std::string directory) : directory_(std::move(directory)) {}
  void keep(const Record& record);

 private:
  void keep(const Picture& picture);

  std::string directory_;
  std::set<std::string> there_;
};

}  // namespace emend
