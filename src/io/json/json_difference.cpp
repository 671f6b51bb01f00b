#include "io/json/json_difference.h"

#include <algorithm>

namespace emend {
namespace {

std::string short_text(const nlohmann::json& value) {
  auto text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return text.size() > 80 ? text.substr(0, 77) + "..." : text;
}

}  // namespace

std::string json_text_at(const nlohmann::json& value, const nlohmann::json::json_pointer& where) {
  return value.contains(where) ? short_text(value.at(where)) : "nothing";
}

std::optional<JsonDifference> first_json_difference(const nlohmann::json& ours,
                                                    const nlohmann::json& theirs,
                                                    const std::string& ignored) {
  for (const auto& step : nlohmann::json::diff(theirs, ours)) {
    auto path = step.at("path").get<std::string>();
    // JSON Patch names an element that is added at the end of an array "-".
    if (path.ends_with("/-")) path.resize(path.size() - 2);
    auto name = path.empty() ? path : path.substr(1);
    std::replace(name.begin(), name.end(), '/', '.');
    if (name == ignored && !name.empty()) continue;
    const nlohmann::json::json_pointer where(path);
    return JsonDifference{name, json_text_at(ours, where), json_text_at(theirs, where), where};
  }
  return std::nullopt;
}

}  // namespace emend
