#pragma once

#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/parsing/ast.h"

namespace emend::text::jinja {

// Runs a template. Throws Failure with the line if an operation does not support the type of a
// value, if raise_exception is called, or if the Budget is exceeded. `now`: the value of
// strftime_now.
std::string render(const std::vector<Statement>& statements,
                   const std::vector<std::pair<std::string, Value>>& variables, const std::tm& now);

}  // namespace emend::text::jinja
