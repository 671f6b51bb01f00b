#pragma once

#include <memory>

#include "suites/suite.h"

namespace emend {

// Counterfactual edits of Scenes, generated when they are requested.
std::unique_ptr<Suite> open_scenes(const SuiteOptions& options);

}  // namespace emend
