#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace emend {

// A value of a file with its position: "edits.jsonl (line 3)", "edits.json (entry 3)".
struct ListedJson {
  nlohmann::json value;
  std::string where;
};

// Reads a JSON array, or JSON Lines (one value per line; empty lines are skipped). Throws
// emend::Error that names file and line if the file is neither or has no values.
std::vector<ListedJson> read_json_list(const std::string& path);

}  // namespace emend
