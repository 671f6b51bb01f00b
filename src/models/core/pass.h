#pragma once

#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <vector>

#include "models/core/pictures.h"

namespace emend {

// The id of an image token in a row, which one image feature replaces. It is independent of the
// token id in the model's files.
constexpr int64_t kImageToken = -1;

// A row of a batch before padding: text only, or text with one or several images.
struct Row {
  std::vector<int64_t> ids;  // token ids, and kImageToken for image features
  // Indices into Batch::pixels in the order of the image tokens; a tiled picture has one for each
  // tile.
  std::vector<int64_t> images;
  // Empty (all 0), or one per id: a token attends to earlier tokens of segment 0 and of its own
  // segment; positions of each segment continue from segment 0.
  std::vector<int64_t> segments;
  // Length of the prompt, which a teacher-forced answer follows; -1: all ids.
  int64_t prompt_length = -1;
};

// Rows that run together, before padding.
struct Batch {
  Pictures pixels;  // the preprocessed pictures; empty if no row has an image
  std::vector<Row> rows;
};

enum class PadSide { right, left };  // right for teacher forcing, left for generation

// Keys and values of the language blocks that ran, one pair per block: (B, heads, T, head size).
struct KvCache {
  std::vector<at::Tensor> keys;
  std::vector<at::Tensor> values;
  // State that interventions keep during generation, by its owner.
  std::map<const void*, std::shared_ptr<void>> kept;
};

// The state that flows through the stages of a model. It is a value: a copy keeps the state at a
// stage boundary, and a model can resume from it.
struct Pass {
  // Constant during the pass.
  Pictures pixels;       // N pictures
  at::Tensor ids;        // (B, T) int64; kImageToken at image positions, 0 for padding
  at::Tensor mask;       // (B, T) bool; false for padding
  at::Tensor segments;   // (B, T) int64, or undefined if all are 0
  at::Tensor positions;  // (B, T) int64; positions in the row without padding, -1 for padding
  // (A, B, T) int64: the positions that rotary embeddings use, if they have several axes (time, row
  // and column of a picture's token); undefined: `positions`.
  at::Tensor rotary_positions;
  at::Tensor prompt_lengths;   // (B) int64, without padding; see Row
  at::Tensor image_positions;  // (S) int64: positions in the flattened (B * T) of image tokens
  // (S) int64: the image features for `image_positions`, as indices into the flattened (N * Q),
  // where Q is the largest number of image tokens of a picture.
  at::Tensor image_source;
  at::Tensor image_rows;  // (S', 2) int64: pairs (image, row) for each use of an image
  // (K) int64: positions in (B * T) whose logits are computed; undefined: all.
  at::Tensor logit_positions;
  // All pictures run through the vision module at once, which trains small models faster, but the
  // bits then depend on the batch. The states of smaller pictures have padding at the end, which no
  // image token shows, so its gradient is zero.
  bool batched_pictures = false;
  // Set during generation; mask and segments then include the cached positions: (B, cached + T).
  std::shared_ptr<KvCache> cache;

  // Changed by the stages.

  // The residual stream after the last stage that ran; after the head, the logits: (B, T, V), or
  // (K, V) if `logit_positions` is set.
  at::Tensor hidden;
  // Before the language module, if the pictures have different sizes: the number of positions of
  // each picture in `hidden`, whose rows end with padding. Empty: all positions.
  std::vector<int64_t> picture_lengths;
  // Before the language module: (N, P, D) vision features, an input of the connector. In it:
  // features (B, T, L * H) that blocks add to the residual stream (DeepStack), zero outside of
  // image tokens, or undefined.
  at::Tensor features;
  at::Tensor attention;  // (B, 1, T, S) added to the attention scores of language blocks
  size_t next = 0;       // index of the next stage

  // While interventions at the logits act: the logits before them, as `hidden`.
  at::Tensor unmixed_logits;

  const at::Tensor& logits() const { return hidden; }
  // Sets `hidden` and `picture_lengths` from the states of single pictures, (1, P, D) each.
  void set_picture_states(const std::vector<at::Tensor>& states);
  // Moves the positions of rows of text behind their prefixes. lengths: (B) of the prefixes;
  // prefix_rotary: their rotary positions (A, B, T'), or undefined.
  void continue_after(const at::Tensor& lengths, const at::Tensor& prefix_rotary);
  // Before the language module: the mean of each picture's states, (N, D).
  at::Tensor mean_picture_states() const;
};

}  // namespace emend
