#pragma once

#include <CLI/CLI.hpp>

namespace emend::cli {

// Makes the options of all commands refuse values without a visible character, such as --module "".
// An empty value would select the default; users omit the option instead.
void refuse_blank_values(CLI::App& program);

}  // namespace emend::cli
