#pragma once

#include "models/vlm.h"

namespace emend {

// (B) the index of the last position of each prompt in a padded row. Without `prompt_lengths`, rows
// have no answers.
at::Tensor prompt_ends(const Pass& pass);

// What the model would answer: its logits after the last token of each prompt, (B, V) float32.
// Teacher-forced answers are not read. `image_features` is the result of
// get_image_features for the pictures of the batch.
at::Tensor prompt_answers(const Model& model, const Batch& batch, const at::Tensor& image_features);
// The same from the logits of a pass that ran; undefined if they do not include these positions.
at::Tensor prompt_answers(const Pass& pass, const at::Tensor& logits);

}  // namespace emend
