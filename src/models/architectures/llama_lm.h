#pragma once

#include "models/architectures/architecture.h"
#include "models/core/model.h"
#include "models/language/llama.h"

namespace emend {

// LlamaForCausalLM, and MistralForCausalLM, Qwen2ForCausalLM and Qwen3ForCausalLM: only a language
// module. Immutable, like every model.
class LlamaLm : public Model {
 public:
  // Takes every tensor from `weights`. Throws emend::Error if a tensor is missing, unexpected or
  // has the wrong shape.
  LlamaLm(const LlamaConfig& config, Weights& weights);

  std::string default_sites(Module module) const override;
  at::Tensor word_embeddings() const override { return llama_.word_embeddings(); }
  int64_t num_image_tokens() const override { return 0; }
  int64_t vocabulary() const override { return llama_.vocabulary(); }
  int64_t max_positions() const override { return llama_.max_positions(); }

 protected:
  void run_stage(size_t stage, Pass& pass, const Attachments& attachments) const override;

 private:
  Llama llama_;
};

Architecture llama_architecture(const nlohmann::json& config);

}  // namespace emend
