#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace emend {

// The first field in which two JSON values differ, with its names joined by dots, and the texts of
// its values in both, shortened; "nothing" if it is absent.
struct JsonDifference {
  std::string field, ours, theirs;
  nlohmann::json::json_pointer where{""};  // the field
};
// None: they are equal, apart from the field `ignored` (such as "config.model.folder").
std::optional<JsonDifference> first_json_difference(const nlohmann::json& ours,
                                                    const nlohmann::json& theirs,
                                                    const std::string& ignored = "");

// The text of a part of a JSON value, shortened to 80 characters; "nothing" if it is absent.
std::string json_text_at(const nlohmann::json& value, const nlohmann::json::json_pointer& where);

}  // namespace emend
