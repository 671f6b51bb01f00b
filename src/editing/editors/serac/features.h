#pragma once

#include <memory>
#include <vector>

#include "models/sentence/sentence_encoder.h"
#include "models/vlm.h"

namespace emend {

class ActivationStore;

// What SERAC's scope classifier sees of questions, from parts of the model that no edit moves.
// Float32, without gradients.
struct QuestionFeatures {
  at::Tensor text;      // (B, S, W): the mean of the text's states, and its last one; of a sentence
                        // encoder its embedding alone
  at::Tensor pictures;  // (B, Q, D): what the bridge makes of a row's picture, the mean of several;
                        // zero without any; undefined where the classifier sees none
  at::Tensor looks;     // (B) 1 where a row has a picture, else 0
};

// Which of these and of what.
struct FeatureOptions {
  size_t stage;     // of the language module: the text's states are those after it
  bool whole_rows;  // the answer that was fed in counts as text, too
  bool pictures;
  std::shared_ptr<const SentenceEncoder> encoder = nullptr;  // of texts, in the states' place
};

// The bridge's output for pictures: (N, Q, D); undefined without any. pixels: (N, 3, H, W) or
// undefined. The vision module's part is looked up in the store; without one `batched` runs all
// pictures at once, which is quicker and whose bits depend on the neighbours.
at::Tensor look_at(const Vlm& vlm, const at::Tensor& pixels, ActivationStore* store,
                   bool batched = false);

// Of the batch's rows. The text goes through the language module without the picture, so that a
// question's text is the same beside any. `seen`: look_at of the batch's pictures.
QuestionFeatures question_features(const Vlm& vlm, const Batch& batch, const at::Tensor& seen,
                                   const FeatureOptions& options);

}  // namespace emend
