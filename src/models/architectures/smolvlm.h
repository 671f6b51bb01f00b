#pragma once

#include "models/architectures/architecture.h"
#include "models/config/smolvlm_config.h"
#include "models/core/model.h"
#include "models/language/llama.h"
#include "models/vision/siglip.h"

namespace emend {

// SmolVLMForConditionalGeneration and Idefics3ForConditionalGeneration: SigLIP, merged and
// projected patches, Llama. A picture can be divided into tiles, each of which is a picture for the
// model. Immutable, like every model.
class SmolVlm : public Model {
 public:
  // Takes every tensor from `weights`. Throws emend::Error if a tensor is missing, unexpected or
  // has the wrong shape.
  SmolVlm(const SmolVlmConfig& config, Weights& weights);

  std::string default_sites(Module module) const override;
  at::Tensor word_embeddings() const override { return llama_.word_embeddings(); }
  int64_t num_image_tokens() const override { return config_.num_image_tokens(); }
  int64_t vocabulary() const override { return llama_.vocabulary(); }
  int64_t max_positions() const override { return llama_.max_positions(); }

 protected:
  void run_stage(size_t stage, Pass& pass, const Attachments& attachments) const override;

 private:
  // (N, P, D) -> (N, P / scale^2, D * scale^2): concatenates the patches of each square.
  at::Tensor pixel_shuffle(const at::Tensor& x) const;

  SmolVlmConfig config_;
  size_t norm_, connector_,
      language_;  // stages: the vision norm, and the first stage of each module
  Siglip vision_;
  Linear projection_;
  Llama llama_;
};

std::unique_ptr<Model> make_smolvlm(const SmolVlmConfig& config, Weights& weights);

// Names as in released folders (`model.vision_model.`, `model.connector.`, `model.text_model.`,
// `lm_head`). A model that was saved without its head has no `model.`.
std::string smolvlm_name(const std::string& name);
Architecture smolvlm_architecture(const nlohmann::json& config);

}  // namespace emend
