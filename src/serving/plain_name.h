#pragma once

#include <string>

namespace emend {

// Whether a text is a name for a patch, a run or an export: 1 to 100 letters, digits, `-`, `_` and
// `.`, without a dot or a hyphen at its start. Such a name is no path and no option.
inline bool is_plain_name(const std::string& name) {
  if (name.empty() || name.size() > 100 || name[0] == '.' || name[0] == '-') return false;
  for (char c : name)
    if (!(('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9') || c == '-' ||
          c == '_' || c == '.'))
      return false;
  return true;
}

// The rule as the text of an error.
inline constexpr const char* kPlainNameRule =
    "'name' must have 1 to 100 letters, digits, '-', '_' and '.', and no dot or hyphen at its "
    "start";

}  // namespace emend
