#pragma once

#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <vector>

namespace emend {

// The id of an image token in a row, which one image feature replaces. It is independent of the
// token id in the model's files.
constexpr int64_t kImageSlot = -1;

// A row of a batch before padding: text only, or text with one or several images.
struct Row {
  std::vector<int64_t> ids;  // token ids, and kImageSlot for image features
  // Indices into Batch::pixels in the order of the image tokens; a tiled picture has one for each
  // tile.
  std::vector<int64_t> images;
  // Empty (all 0), or one per id: a token attends to earlier tokens of segment 0 and of its own
  // segment; positions of each segment continue from segment 0.
  std::vector<int64_t> segments;
  int64_t asked = -1;  // length of the prompt, which a teacher-forced answer follows; -1: all ids
};

struct Batch {
  at::Tensor pixels;  // (N, 3, H, W) float32, preprocessed; undefined if no row has an image
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
  at::Tensor pixels;     // (N, 3, H, W)
  at::Tensor ids;        // (B, T) int64; kImageSlot at image positions, 0 for padding
  at::Tensor mask;       // (B, T) bool; false for padding
  at::Tensor segments;   // (B, T) int64, or undefined if all are 0
  at::Tensor positions;  // (B, T) int64; positions in the row without padding, -1 for padding
  at::Tensor asked;      // (B) int64: prompt lengths without padding, see Row
  at::Tensor slots;      // (S) int64: positions in the flattened (B * T) of image tokens
  // (S) int64: the image features for `slots`, as indices into the flattened (N * Q).
  at::Tensor slot_source;
  at::Tensor image_rows;  // (S', 2) int64: pairs (image, row) for each use of an image
  at::Tensor wanted;  // (K) int64: positions in (B * T) whose logits are computed; undefined: all
  // All pictures run through the vision module at once, which trains small models faster, but the
  // bits then depend on the batch.
  bool batched_pictures = false;
  // Set during generation; mask and segments then include the cached positions: (B, cached + T).
  std::shared_ptr<KvCache> cache;

  // Changed by the stages.

  // The residual stream after the last stage that ran; after the head, the logits: (B, T, V), or
  // (K, V) if `wanted` is set.
  at::Tensor hidden;
  at::Tensor features;   // (N, P, D) vision features, an input of the bridge
  at::Tensor attention;  // (B, 1, T, S) added to the attention scores of language blocks
  size_t next = 0;       // index of the next stage

  const at::Tensor& logits() const { return hidden; }
};

}  // namespace emend
