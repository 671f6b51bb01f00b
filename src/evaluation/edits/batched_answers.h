#pragma once

#include <string>
#include <vector>

#include "models/vlm.h"
#include "suites/record.h"

namespace emend {

// A question with or without a picture.
struct PictureQuestion {
  Picture image;       // may be absent
  std::string prompt;  // the formatted prompt
};

// The answers to any number of questions, in batches. Pictures are read for one batch at a time, so
// that memory does not depend on their number.
std::vector<std::string> batched_answers(const Vlm& vlm,
                                         const std::vector<PictureQuestion>& questions,
                                         const Interventions& interventions,
                                         const GenerationOptions& options, ActivationStore* store);

}  // namespace emend
