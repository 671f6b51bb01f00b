#pragma once

#include <memory>
#include <string>

#include "suites/suite.h"

namespace emend {

// MMEdit's and VLKEB's annotation files: e-vqa, e-ic, vlkeb, mmedit-json. Every row is parsed once
// here, and its pictures are looked for; held are offsets.
std::unique_ptr<Suite> open_mmedit(const std::string& name, const SuiteOptions& options);

}  // namespace emend
