#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/edit/arguments.h"
#include "evaluation/edits/edit_job.h"

namespace emend::cli {

// Why an edit does not hold, in one sentence: what the editor says of how it stopped.
std::string failure_reason(const EditVerdict& edit);
// The loss in a line, of at most eight of its values; empty where the editor has none.
std::string loss_curve(const nlohmann::json& effect);
// "token 2 of 3: expected " sea", the model predicts " hill"", one a failed token.
std::vector<std::string> failed_token_lines(const EditVerdict& edit);
// Options that may make the edit hold, to add to the command.
std::vector<std::string> suggestions(const EditArguments& arguments, const Patch& patch,
                                     const EditVerdict& edit);

nlohmann::json failure_json(const EditArguments& arguments, const Patch& patch,
                            const EditVerdict& edit);

}  // namespace emend::cli
