#pragma once

#include <memory>
#include <string>

#include "suites/suite.h"

namespace emend {

// The suites e-vqa, e-ic, vlkeb, photo-vqa, photo-caption and mmedit-json from annotation files of
// MMEdit and VLKEB, and files in their form. Parses every row once and checks its pictures. Only
// offsets stay in memory.
std::unique_ptr<Suite> open_mmedit(const std::string& name, const SuiteOptions& options);

}  // namespace emend
