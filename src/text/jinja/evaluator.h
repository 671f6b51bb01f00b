#pragma once

#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"

namespace emend::text::jinja {

// Runs a template. Throws Failure, with the line, when a value is of a kind that an operation
// does not take, when raise_exception is called, or when the work is beyond the Budget. `now`: what
// strftime_now tells.
std::string render(const std::vector<Statement>& statements,
                   const std::vector<std::pair<std::string, Value>>& variables, const std::tm& now);

}  // namespace emend::text::jinja
