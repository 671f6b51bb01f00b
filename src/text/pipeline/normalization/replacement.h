#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "text/regex.h"

namespace emend::text {

// Reads {"String": ...} or {"Regex": ...}, the pattern of Split and Replace in tokenizer.json.
Regex read_pattern(const nlohmann::json& spec, std::string_view where);

// The "Replace" step of normalizers and decoders in tokenizer.json: replaces every match by
// `content`.
class Replacement {
 public:
  Replacement(const nlohmann::json& spec, std::string_view where);
  std::string apply(std::string_view text) const;

 private:
  std::string literal_;  // if empty, regex_ is used
  std::optional<Regex> regex_;
  std::string content_;
};

}  // namespace emend::text
