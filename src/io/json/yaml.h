#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace emend {

// Parses one YAML document of settings into JSON. Plain scalars follow the core schema of YAML 1.2,
// and `5e-4` is a number (parsers of YAML 1.1 make it a string); quoted scalars are strings.
// Refused with file name and line: several documents, aliases and tags (a few bytes of them can
// stand for gigabytes or code), duplicate keys, keys that are not strings, invalid UTF-8, and
// nesting beyond 50 levels. Throws emend::Error.
nlohmann::json parse_yaml(std::string_view text, const std::string& name);
nlohmann::json read_yaml(const std::string& path);

}  // namespace emend
