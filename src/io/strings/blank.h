#pragma once

#include <string>
#include <string_view>

namespace emend {

// Whether a text has no visible character.
inline bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
}

// The text without these characters at its start and its end.
inline std::string trimmed(std::string_view text, std::string_view spaces = " \t\r\n") {
  const auto begin = text.find_first_not_of(spaces);
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(spaces) - begin + 1));
}

}  // namespace emend
