#pragma once

#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <vector>

namespace emend {

// Stands in a row's ids where one image feature goes, whatever token id the model's files use.
constexpr int64_t kImageSlot = -1;

// One line of a batch before padding: text only, image and text, or several images.
struct Row {
  std::vector<int64_t> ids;       // token ids; kImageSlot where an image feature goes
  std::vector<int64_t> images;    // indices into Batch::pixels, in the order of the slots; a
                                  // picture that is shown in tiles has one for each of them
  std::vector<int64_t> segments;  // empty (all 0), or one per id: a token sees earlier tokens of
                                  // segment 0 and of its own; positions restart after segment 0
  int64_t asked = -1;  // how many ids are what is asked; the rest is an answer fed in; -1: all
};

struct Batch {
  at::Tensor pixels;  // (N, 3, H, W) float32, preprocessed; undefined when no row has an image
  std::vector<Row> rows;
};

enum class PadSide { right, left };  // right to judge given text, left to generate

// Keys and values of the language blocks run so far, one pair a block: (B, heads, T, head width).
struct KvCache {
  std::vector<at::Tensor> keys;
  std::vector<at::Tensor> values;
  // What interventions keep while an answer is generated, by who keeps it.
  std::map<const void*, std::shared_ptr<void>> kept;
};

// What flows through a model's stages. A value: copying it keeps the state at a stage boundary,
// and a model resumes from it without running anything before.
struct Pass {
  // Fixed for the whole pass.
  at::Tensor pixels;    // (N, 3, H, W)
  at::Tensor ids;       // (B, T) int64; kImageSlot at image positions, 0 where padded
  at::Tensor mask;      // (B, T) bool; true at real positions
  at::Tensor segments;  // (B, T) int64, or undefined when all are 0
  at::Tensor
      positions;     // (B, T) int64; counts from 0 over real positions of a row, -1 where padded
  at::Tensor asked;  // (B) int64: how many real positions of a row are what is asked, see Row
  at::Tensor slots;  // (S) int64: positions in the flattened (B * T) that image features fill
  at::Tensor slot_source;  // (S) int64: which of the flattened (N * Q) features goes there
  at::Tensor image_rows;   // (S', 2) int64: pairs (image, row) of who uses which image
  at::Tensor wanted;  // (K) int64: positions in (B * T) whose logits are asked for; undefined: all
  bool batched_pictures = false;   // all pictures at once through the vision module: quicker to
                                   // train small models; their bits then depend on the neighbours
  std::shared_ptr<KvCache> cache;  // set to generate token by token; mask and segments then cover
                                   // what is cached as well: (B, cached + T)

  // The flow.
  at::Tensor hidden;     // the stream after the stage run last; after the head, the logits:
                         // (B, T, V), or (K, V) where `wanted` is set
  at::Tensor features;   // (N, P, D) vision features, side input of the bridge
  at::Tensor attention;  // (B, 1, T, S) what the language blocks add to their attention scores
  size_t next = 0;       // index of the stage to run next

  const at::Tensor& logits() const { return hidden; }
};

}  // namespace emend
