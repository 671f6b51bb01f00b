#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "text/regex.h"

namespace emend::text {

// The {"String": ...} or {"Regex": ...} of tokenizer.json's Split and Replace.
Regex read_pattern(const nlohmann::json& spec, std::string_view where);

// "Replace" of tokenizer.json, a step of normalizers and decoders: `content` for every match.
class Replacement {
 public:
  Replacement(const nlohmann::json& spec, std::string_view where);
  std::string apply(std::string_view text) const;

 private:
  std::string literal_;  // empty: by regex_
  std::optional<Regex> regex_;
  std::string content_;
};

}  // namespace emend::text
