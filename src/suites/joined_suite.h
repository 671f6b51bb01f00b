#pragma once

#include <memory>
#include <string>
#include <vector>

#include "suites/suite.h"

namespace emend {

// Several suites as one, for example to train an editor on questions and captions. Their records
// are mixed evenly and always in the same order. `data`, `images` and `rephrase_images` are lists
// with one path for each suite, or one folder for all. `limit` first limits each suite, and then
// the records of all. Throws emend::Error if a suite is named twice or generated (scenes), or if
// only some of the suites have texts to complete.
std::unique_ptr<Suite> open_joined(const std::vector<std::string>& names,
                                   const SuiteOptions& options);

}  // namespace emend
