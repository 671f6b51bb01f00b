#pragma once

#include <memory>
#include <string>
#include <vector>

#include "suites/suite.h"

namespace emend {

// The names of `--suite`: one, or a list such as "e-vqa,e-ic".
std::vector<std::string> suites_in(const std::string& list);

// Several suites as one, for example to train an editor on questions and captions. Their records
// are mixed evenly and always in the same order. `data`, `images` and `rephrase_images` are lists
// with one path for each suite, or one path for all. `limit` counts the records of all suites.
// Throws emend::Error if a suite is named twice, if the suites do not all complete texts, or if
// edits of one must be in place together.
std::unique_ptr<Suite> open_joined(const std::vector<std::string>& names,
                                   const SuiteOptions& options);

}  // namespace emend
