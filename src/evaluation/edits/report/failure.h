#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "evaluation/edits/report/report.h"

namespace emend {

// Why an edit does not hold, in one sentence, from the reason why the editor stopped.
std::string failure_reason(const EditVerdict& edit);
// The loss curve in one line of at most eight values; empty for an editor without a loss.
std::string loss_curve(const nlohmann::json& effect);
// A line for each failed token: "token 2: expected " sea", the model predicts " hill"".
std::vector<std::string> failed_token_lines(const EditVerdict& edit);
nlohmann::json failure_json(const EditReport& report, const EditVerdict& edit);

}  // namespace emend
