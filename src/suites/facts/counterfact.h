#pragma once

#include <memory>
#include <string>
#include <vector>

#include "suites/suite.h"

namespace emend {

// Facts for language models, without pictures, in the formats of suites/facts/fact_row.h. The suite
// `counterfact` reads all formats; `zsre`, `knowedit` and `mquake` read only their own. Rows
// without a prompt or a target are left out. Prompts are used as questions if all of them end in a
// question mark, and completed as plain text otherwise. Throws emend::Error with file and row for
// anything else.
std::unique_ptr<Suite> open_counterfact(const std::string& name, const SuiteOptions& options);

}  // namespace emend
