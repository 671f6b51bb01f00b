#pragma once

#include <vector>

#include "models/config/blip2_config.h"
#include "models/language/decoder.h"

namespace emend {

// OPT, decoder and head.
class Opt : public Decoder {
 public:
  // Sites of the embedding belong to stage `builder.stage`, block i's to the i-th after it, the
  // head's to the one after them.
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
  Linear project_in_, project_out_, head_;  // projections only where the widths differ
  std::vector<Block> blocks_;
  LayerNorm final_norm_;
};

}  // namespace emend
