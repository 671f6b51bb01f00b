#pragma once

#include <CLI/CLI.hpp>

#include "io/error.h"

namespace emend::cli {

// Converts an error of CLI11 to a message about the command line with a hint.
Error explained(const CLI::App& program, const CLI::ParseError& error);

}  // namespace emend::cli
