#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace emend {

// One YAML document of settings as JSON. Plain scalars mean what YAML 1.2's core schema says, and
// `5e-4` is a number (YAML 1.1's readers make text of it); quoted ones are text. Refused, with the
// file's name and the line: several documents, aliases and tags (a few bytes of either can mean
// gigabytes or code), doubled keys, keys that are no text, bytes that are no UTF-8, nesting beyond
// 50 levels. Throws emend::Error.
nlohmann::json parse_yaml(std::string_view text, const std::string& name);
nlohmann::json read_yaml(const std::string& path);

}  // namespace emend
