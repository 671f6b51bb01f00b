#pragma once

#include <CLI/CLI.hpp>

namespace emend::cli {

// Makes the options of all commands refuse values without a visible character, such as --module "".
// They would mean the default, which users get by leaving the option out.
void refuse_blank_values(CLI::App& program);

}  // namespace emend::cli
