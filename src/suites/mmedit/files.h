#pragma once

#include <string>
#include <vector>

#include "suites/facts/json_rows.h"
#include "suites/suite.h"

namespace emend {

// Finds the annotation file: `data`, or its standard place in the folder `data` of the published
// dataset. Throws emend::Error with the places that were searched.
std::string find_annotations(const std::string& name, const SuiteOptions& options);

// The folders of the pictures (`image`) and of the other pictures (`image_rephrase`).
struct ImageRoots {
  std::string image, rephrase;
};
// The folders of the options, or else the first standard folder that has the image of any row (the
// folder of the annotation file if there is none).
ImageRoots find_image_roots(const JsonRows& rows, const SuiteOptions& options);

}  // namespace emend
