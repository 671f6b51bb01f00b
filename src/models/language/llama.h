#pragma once

#include <string>
#include <vector>

#include "models/config/llama_config.h"
#include "models/language/decoder.h"
#include "nn/rotary.h"

namespace emend {

// The Llama family (Llama, Mistral, Qwen2, Qwen3), decoder and head: RMS norms, rotary positions,
// grouped-query attention, SwiGLU.
class Llama : public Decoder {
 public:
  // Parameters have the names PATHmodel.embed_tokens, PATHmodel.layers.0..., PATHlm_head; `path` is
  // empty or ends with a dot. Sites of block i belong to the i-th stage after `builder.stage`, and
  // the head's site to the next one.
  Llama(const LlamaConfig& config, Builder builder, const std::string& path);
  // The same with the names BODYembed_tokens, BODYlayers.0..., HEAD.
  Llama(const LlamaConfig& config, Builder builder, const std::string& body,
        const std::string& head);

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
    RmsNorm attention_norm, ffn_norm;
    RmsNorm q_norm, k_norm;  // with qk_norm
    Linear q, k, v, out, gate, up, down;
  };

  LlamaConfig config_;
  std::string body_;
  Rotary rotary_;
  Embedding tokens_;
  std::vector<Block> blocks_;
  RmsNorm norm_;
  Linear head_;
};

}  // namespace emend
