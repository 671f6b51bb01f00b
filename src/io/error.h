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

// An error's text without the places (`[room::thing] `) in it, for users.
std::string without_places(std::string text);

}  // namespace emend
