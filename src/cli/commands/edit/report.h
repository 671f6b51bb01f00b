#pragma once

#include "cli/commands/edit/arguments.h"
#include "evaluation/edits/report/report.h"

namespace emend::cli {

// Prints the report of `emend edit`. An edit that does not hold comes first.
void print_report(const EditArguments& arguments, const EditReport& report);

}  // namespace emend::cli
