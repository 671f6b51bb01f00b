#pragma once

#include <memory>

#include "suites/suite.h"

namespace emend {

std::unique_ptr<Suite> open_pairs(const SuiteOptions& options);

}  // namespace emend
