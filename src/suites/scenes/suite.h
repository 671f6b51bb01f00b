#pragma once

#include <memory>

#include "suites/suite.h"

namespace emend {

// Counterfactual edits of the bundled world, drawn when asked for.
std::unique_ptr<Suite> open_scenes(const SuiteOptions& options);

}  // namespace emend
