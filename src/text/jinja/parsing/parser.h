#pragma once

#include <string_view>
#include <vector>

#include "text/jinja/parsing/ast.h"

namespace emend::text::jinja {

// Parses a template. Throws Failure with the line for syntax errors, nesting deeper than 100, and
// statements, filters, tests, methods and functions that are not implemented.
std::vector<Statement> parse(std::string_view source);

}  // namespace emend::text::jinja
