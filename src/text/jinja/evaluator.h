#pragma once

#include <string>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"

namespace emend::text::jinja {

// Runs a template. Throws Failure, with the line, when a value is of a kind that an operation
// does not take, when raise_exception is called, or when the work is beyond the Budget.
std::string render(const std::vector<Statement>& statements,
                   const std::vector<std::pair<std::string, Value>>& variables);

}  // namespace emend::text::jinja
