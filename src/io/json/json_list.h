#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace emend {

// A value of a file and where it stands there: "edits.jsonl (line 3)", "edits.json (entry 3)".
struct ListedJson {
  nlohmann::json value;
  std::string where;
};

// The values of a file that is a JSON array, or JSON Lines (one value a line; empty lines do not
// count). Throws emend::Error that names file and line when it is neither, or holds no value.
std::vector<ListedJson> read_json_list(const std::string& path);

}  // namespace emend
