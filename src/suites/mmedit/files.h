#pragma once

#include <string>
#include <vector>

#include "suites/facts/json_rows.h"
#include "suites/suite.h"

namespace emend {

// The annotation file that `data` names, or that lies in the folder of the public download where
// it always does. Throws emend::Error that says where it was looked for.
std::string find_annotations(const std::string& name, const SuiteOptions& options);

struct ImageRoots {
  std::string image, rephrase;
};
// As the options say; else the first of the folders where downloads have them under which any row
// finds its image (the annotation file's own where none does).
ImageRoots find_image_roots(const JsonRows& rows, const SuiteOptions& options);

}  // namespace emend
