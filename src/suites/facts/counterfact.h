#pragma once

#include <memory>
#include <string>
#include <vector>

#include "suites/suite.h"

namespace emend {

// Facts of language models, no pictures: the forms that suites/facts/fact_row.h describes. The
// suite counterfact reads all of them; zsre, knowedit and mquake read their own form alone. Rows
// without a prompt or a target are left out. Prompts are asked as questions when all of them end in
// a question mark, and completed as plain text otherwise. Throws emend::Error, with file and row,
// for anything else.
std::unique_ptr<Suite> open_counterfact(const std::string& name, const SuiteOptions& options);
std::vector<std::string> counterfact_suite_names();

}  // namespace emend
