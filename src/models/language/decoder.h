#pragma once

#include <string>

#include "models/core/loading/builder.h"
#include "models/core/pass.h"

namespace emend {

// The parts of a language model, which models of any architecture run.
class Decoder {
 public:
  virtual ~Decoder() = default;

  // Embeds pass.ids, with image features at the image tokens. features: (N, Q, H) or undefined. ->
  // (B, T, H)
  virtual at::Tensor embed(const Pass& pass, const at::Tensor& features,
                           const Attachments& attachments) const = 0;
  // Runs block `index` on pass.hidden (B, T, H), with pass.attention added to its scores. With a
  // cache, appends the keys and values of this block to it and attends to all of them. -> (B, T, H)
  virtual at::Tensor block(size_t index, const Pass& pass,
                           const Attachments& attachments) const = 0;
  // (..., H) -> (..., V)
  virtual at::Tensor head(const at::Tensor& x, const Attachments& attachments) const = 0;

  virtual int64_t blocks() const = 0;
  virtual int64_t vocabulary() const = 0;
  virtual int64_t max_positions() const = 0;
  // (V, D), as stored.
  virtual at::Tensor word_embeddings() const = 0;
  // The glob of the sites that are edited by default: the FFN of the last block; empty without
  // blocks.
  virtual std::string default_sites() const = 0;
};

// Runs stage `index` of the language module on pass.hidden. Stage 0 embeds (pass.hidden has the
// image features, if any), the blocks follow, and the last stage is the head, at
// pass.logit_positions if that is set.
void run_language_stage(const Decoder& decoder, size_t index, Pass& pass,
                        const Attachments& attachments);

// Puts features (N, Q, D) into embeddings x (B, T, D) at pass.image_positions. -> (B, T, D)
at::Tensor fill_slots(const at::Tensor& x, const at::Tensor& features, const Pass& pass);

// Appends keys and values (B, heads, T, d) to the cache of the block, and returns all of them.
void extend_cache(KvCache& cache, size_t block, at::Tensor& keys, at::Tensor& values);

// Checks the head of a language model whose config.json ties it to the embeddings. Throws
// emend::Error if the checkpoint has a different head.
Linear tied_head(const Builder& builder, const std::string& path, const Embedding& tokens);

// The attention mask: a position attends to positions without padding that are not later in the
// row, and that are in segment 0 or in its own segment. mask, segments: (B, S), where segments may
// be undefined. The last `length` positions are the queries. -> (B, 1, length, S) bool
at::Tensor attention_mask(const at::Tensor& mask, const at::Tensor& segments, int64_t length);

}  // namespace emend
