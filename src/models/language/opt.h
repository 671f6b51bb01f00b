#pragma once

#include <vector>

#include "models/config/blip2_config.h"
#include "models/language/decoder.h"

namespace emend {

// OPT, decoder and head.
class Opt : public Decoder {
 public:
  // Sites of the embedding belong to stage `builder.stage`, those of block i to the i-th stage
  // after it, and the head's site to the next one.
  Opt(const OptConfig& config, Builder builder);

  at::Tensor embed(const Pass& pass, const at::Tensor& features,
                   const Attachments& attachments) const override;
  at::Tensor block(size_t index, const Pass& pass, const Attachments& attachments) const override;
  at::Tensor head(const at::Tensor& x, const Attachments& attachments) const override;

  int64_t blocks() const override { return config_.layers; }
  int64_t vocabulary() const override { return config_.vocabulary; }
  int64_t max_positions() const override { return config_.max_positions; }
  at::Tensor word_embeddings() const override { return tokens_.weight; }
  std::string default_sites() const override;

 private:
  struct Block {
    LayerNorm attention_norm, ffn_norm;
    Linear q, k, v, out, fc1, fc2;
  };

  OptConfig config_;
  Embedding tokens_, positions_;
  Linear project_in_, project_out_, head_;  // projections exist only if the sizes differ
  std::vector<Block> blocks_;
  LayerNorm final_norm_;
};

}  // namespace emend
