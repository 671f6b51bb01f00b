#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace emend {

// Parses strict JSON: one value, valid UTF-8, no duplicate keys, at most `max_depth` levels of
// nesting (so that walking a value recursively is safe). Throws emend::Error with file name, line
// and column.
inline constexpr int kJsonDepth = 200;
nlohmann::json parse_json(std::string_view text, const std::string& name,
                          int max_depth = kJsonDepth);
nlohmann::json read_json(const std::string& path, int max_depth = kJsonDepth);

// Writes atomically (io/files/file.h). `indent` -1: one line.
void write_json(const std::string& path, const nlohmann::json& value, int indent = 2);

// Reads a value of type T: bool, int64_t (integers only), double, std::string, nlohmann::json (any
// value but null), or std::vector of int64_t, double, std::string. Throws emend::Error that names
// `file` if the key is missing or the value has another type.
template <typename T>
T json_get(const nlohmann::json& object, const std::string& key, const std::string& file);
template <>
bool json_get(const nlohmann::json& object, const std::string& key, const std::string& file);
template <>
int64_t json_get(const nlohmann::json& object, const std::string& key, const std::string& file);
template <>
double json_get(const nlohmann::json& object, const std::string& key, const std::string& file);
template <>
std::string json_get(const nlohmann::json& object, const std::string& key, const std::string& file);
template <>
nlohmann::json json_get(const nlohmann::json& object, const std::string& key,
                        const std::string& file);
template <>
std::vector<int64_t> json_get(const nlohmann::json& object, const std::string& key,
                              const std::string& file);
template <>
std::vector<double> json_get(const nlohmann::json& object, const std::string& key,
                             const std::string& file);
template <>
std::vector<std::string> json_get(const nlohmann::json& object, const std::string& key,
                                  const std::string& file);

// Returns `fallback` if the key is absent or null.
template <typename T>
T json_get_or(const nlohmann::json& object, const std::string& key, T fallback,
              const std::string& file) {
  if (object.is_object()) {
    auto found = object.find(key);
    if (found == object.end() || found->is_null()) return fallback;
  }
  return json_get<T>(object, key, file);
}

}  // namespace emend
