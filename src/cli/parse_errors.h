#pragma once

#include <CLI/CLI.hpp>

#include "io/error.h"

namespace emend::cli {

// What is wrong with the command line, and what to type instead, for an error of CLI11.
Error explained(const CLI::App& program, const CLI::ParseError& error);

}  // namespace emend::cli
