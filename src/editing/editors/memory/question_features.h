#pragma once

#include <memory>
#include <vector>

#include "models/sentence/sentence_encoder.h"
#include "models/vlm.h"

namespace emend {

class ActivationStore;

// Inputs of SERAC's scope classifier, computed by parts of the model that edits do not change.
// Float32, without gradients.
struct QuestionFeatures {
  // (B, S, W): the mean and the last of the text's hidden states, and with FeatureOptions::tokens
  // those of its last tokens, followed by zeros in shorter texts; for a sentence encoder, its
  // embedding.
  at::Tensor text;
  // (B, Q, D): the mean of the connector outputs for a row's pictures; 0 without pictures;
  // undefined if pictures are not used.
  at::Tensor pictures;
  at::Tensor has_image;  // (B): 1 if a row has a picture, else 0
};

// Selects the features.
struct FeatureOptions {
  size_t stage;     // of the language module: the text's hidden states are taken after this stage
  bool whole_rows;  // include the teacher-forced answer in the text
  bool pictures;
  std::shared_ptr<const SentenceEncoder> encoder = nullptr;  // replaces the hidden states of texts
  // Exclude the first token of a longer text from the mean of its hidden states, and from `tokens`.
  bool exclude_first = false;
  int64_t tokens = 0;  // number of last tokens with a hidden state of their own, at most
};

// Returns the connector outputs for pictures: (N, Q, D), or undefined without pictures, where Q is
// the largest number of image tokens of a picture. The output of the vision module is taken from
// the store. Without a store, `batched` runs all pictures at once, which is faster, but the bits
// then depend on the batch.
at::Tensor get_image_features(const Vlm& vlm, const Pictures& pixels, ActivationStore* store,
                              bool batched = false);

// The number of features of a picture in question_features: its image tokens, or the cells of a
// grid over the picture, whose tokens are averaged, if their number depends on the picture; 0 for a
// text-only model.
int64_t picture_places(const Model& model);
// The features of each picture, (N, picture_places, D). image_features: (N, Q, D), the result of
// get_image_features.
at::Tensor place_features(const Model& model, const Pictures& pixels,
                          const at::Tensor& image_features);

// Returns the features of the rows of a batch. The text runs through the language module without
// the picture, so its features do not depend on the picture. `image_features` is the result of
// get_image_features for the pictures of the batch.
QuestionFeatures question_features(const Vlm& vlm, const Batch& batch,
                                   const at::Tensor& image_features, const FeatureOptions& options);

}  // namespace emend
