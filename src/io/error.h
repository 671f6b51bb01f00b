#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace emend {

// The only exception type of emend. `what()` is one line: `[room::thing] what is wrong. Hint: what
// to do`.
class Error : public std::runtime_error {
 public:
  Error(std::string_view place, std::string_view problem, std::string_view hint = {});
};

// The parts of an error's text, without places. `hint` is empty if there is none.
struct ErrorParts {
  std::string problem, hint;
};
ErrorParts error_parts(const std::string& text);

// An error's text without the places (`[room::thing] `) in it, for users.
std::string without_places(std::string text);

}  // namespace emend
