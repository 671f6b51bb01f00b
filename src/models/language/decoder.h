#pragma once

#include <string>

#include "models/core/builder.h"
#include "models/core/pass.h"

namespace emend {

// A language model's parts, as a model of any architecture runs them.
class Decoder {
 public:
  virtual ~Decoder() = default;

  // Embeddings of pass.ids, image features at their slots. features: (N, Q, H) or undefined.
  // -> (B, T, H)
  virtual at::Tensor embed(const Pass& pass, const at::Tensor& features,
                           const Attachments& attachments) const = 0;
  // Block `index` on pass.hidden (B, T, H), with pass.attention added to its scores. With a cache,
  // appends this block's keys and values to it and attends to all of them. -> (B, T, H)
  virtual at::Tensor block(size_t index, const Pass& pass,
                           const Attachments& attachments) const = 0;
  // (..., H) -> (..., V)
  virtual at::Tensor head(const at::Tensor& x, const Attachments& attachments) const = 0;

  virtual int64_t blocks() const = 0;
  virtual int64_t vocabulary() const = 0;
  virtual int64_t max_positions() const = 0;
  // (V, D), as stored.
  virtual at::Tensor word_embeddings() const = 0;
  // The glob of what one edits by default: the last block's FFN; empty without blocks.
  virtual std::string default_sites() const = 0;
};

// Runs the language module's stage `index` on pass.hidden: 0 embeds (pass.hidden being the image
// features, if any), the blocks follow, the last is the head, at pass.wanted where that is set.
void run_language_stage(const Decoder& decoder, size_t index, Pass& pass,
                        const Attachments& attachments);

// Embeddings x (B, T, D) with features (N, Q, D) at pass.slots. -> (B, T, D)
at::Tensor fill_slots(const at::Tensor& x, const at::Tensor& features, const Pass& pass);

// Appends keys and values (B, heads, T, d) to what the cache has of the block, and takes all of
// them.
void extend_cache(KvCache& cache, size_t block, at::Tensor& keys, at::Tensor& values);

// The head of a language model whose config.json ties it to the embeddings: throws emend::Error
// when the checkpoint has another.
Linear tied_head(const Builder& builder, const std::string& path, const Embedding& tokens);

// Which positions each position may look at: real, not later in the row, and of segment 0 or its
// own segment. mask, segments: (B, S) with segments possibly undefined; the last `length` positions
// are those that look. -> (B, 1, length, S) bool
at::Tensor may_look(const at::Tensor& mask, const at::Tensor& segments, int64_t length);

}  // namespace emend
