#pragma once

#include <string>
#include <vector>

#include "evaluation/edits/report/report.h"

namespace emend {

// Command-line options that may make an edit hold, as a user types them, with notes in parentheses.
// Each can be added to the command: the model, the requests, the checkpoints and the other options
// allow it. A note names the options that must then be left out.
std::vector<std::string> suggestions(const EditReport& report, const EditVerdict& edit);

}  // namespace emend
