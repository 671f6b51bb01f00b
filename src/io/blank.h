#pragma once

#include <string_view>

namespace emend {

// Whether a text has no visible character.
inline bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
}

}  // namespace emend
