#pragma once

#include <vector>

#include "models/blip2_config.h"
#include "models/builder.h"
#include "models/pass.h"

namespace emend {

// OPT, decoder and head.
class Opt {
 public:
  // Sites of the embedding belong to stage `builder.stage`, block i's to the i-th after it, the
  // head's to the one after them.
  Opt(const OptConfig& config, Builder builder);

  // Word and position embeddings, image features at their slots. features: (N, Q, H) or undefined.
  // -> (B, T, H)
  at::Tensor embed(const Pass& pass, const at::Tensor& features,
                   const Attachments& attachments) const;
  // x: (B, T, H), bias: (B, 1, T, S) of attention_bias. With a cache, appends this block's keys and
  // values to it and attends to all of them. -> (B, T, H)
  at::Tensor block(size_t index, const at::Tensor& x, const at::Tensor& bias, KvCache* cache,
                   const Attachments& attachments) const;
  // (..., H) -> (..., V)
  at::Tensor head(const at::Tensor& x, const Attachments& attachments) const;

 private:
  struct Block {
    LayerNorm attention_norm, ffn_norm;
    Linear q, k, v, out, fc1, fc2;
  };

  OptConfig config_;
  Embedding tokens_, positions_;
  Linear project_in_, project_out_, head_;  // projections only where the widths differ
  std::vector<Block> blocks_;
  LayerNorm final_norm_;
};

// Which positions each position may look at: real, not later in the row, and of segment 0 or its
// own segment. mask, segments: (B, S) with segments possibly undefined; the last `length` positions
// are those that look. -> (B, 1, length, S) bool
at::Tensor may_look(const at::Tensor& mask, const at::Tensor& segments, int64_t length);

}  // namespace emend
