#pragma once

#include "models/architectures/architecture.h"
#include "models/config/resnet_llama_config.h"
#include "models/core/model.h"
#include "models/language/llama.h"
#include "models/vision/resnet.h"

namespace emend {

// ResNetLlamaForConditionalGeneration: a ResNet, whose grid of features is the image tokens, a
// projector with two linear layers, and a Llama. Immutable, like every model.
class ResNetLlama : public Model {
 public:
  // Takes every tensor from `weights`. Throws emend::Error if a tensor is missing, unexpected or
  // has the wrong shape.
  ResNetLlama(const ResNetLlamaConfig& config, Weights& weights);

  std::string default_sites(Module module) const override;
  at::Tensor word_embeddings() const override { return llama_.word_embeddings(); }
  int64_t num_image_tokens() const override { return config_.num_image_tokens(); }
  int64_t vocabulary() const override { return llama_.vocabulary(); }
  int64_t max_positions() const override { return llama_.max_positions(); }

 protected:
  void run_stage(size_t stage, Pass& pass, const Attachments& attachments) const override;

 private:
  ResNetLlamaConfig config_;
  size_t connector_, language_;  // the first stage of each module
  ResNet vision_;
  Linear linear1_, linear2_;
  Llama llama_;
};

Architecture resnet_llama_architecture(const nlohmann::json& config);

}  // namespace emend
