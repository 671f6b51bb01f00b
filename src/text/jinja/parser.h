#pragma once

#include <string_view>
#include <vector>

#include "text/jinja/ast.h"

namespace emend::text::jinja {

// Throws Failure with the line for what is malformed, nested more than 100 deep, or a
// statement, filter, test, method or function that is not implemented.
std::vector<Statement> parse(std::string_view source);

}  // namespace emend::text::jinja
