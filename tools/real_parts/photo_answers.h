#pragma once

#include <string>
#include <vector>

#include "models/vlm.h"

namespace emend::photos {

// A pass at the start of the language module, with these features (N, P, D) in place of the
// tower's. Undefined features: rows without a picture.
Pass shown_pass(const Model& model, const std::vector<Row>& rows, const at::Tensor& features,
                PadSide pad);

// Greedy answers to a prompt for each photo, from the features of the photos (N, P, D).
std::vector<std::string> photo_answers(const Vlm& vlm, const at::Tensor& features,
                                       const std::vector<std::string>& prompts,
                                       int64_t max_new_tokens);

}  // namespace emend::photos
