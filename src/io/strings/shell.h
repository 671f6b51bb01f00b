#pragma once

#include <string>
#include <string_view>

namespace emend {

// The text as one word of a POSIX shell, in single quotes.
inline std::string shell_quoted(std::string_view text) {
  std::string word = "'";
  for (char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

}  // namespace emend
