#pragma once

#include "models/architectures/architecture.h"
#include "models/config/llava_config.h"
#include "models/core/model.h"
#include "models/language/llama.h"
#include "models/vision/clip.h"

namespace emend {

// LlavaForConditionalGeneration: CLIP or SigLIP, a projector with two linear layers, a decoder of
// the Llama family. Immutable, like every model.
class Llava : public Model {
 public:
  // Takes every tensor from `weights`. Throws emend::Error if a tensor is missing, unexpected or
  // has the wrong shape.
  Llava(const LlavaConfig& config, Weights& weights);

  std::string default_sites(Module module) const override;
  at::Tensor word_embeddings() const override { return llama_.word_embeddings(); }
  int64_t num_image_tokens() const override { return config_.num_image_tokens(); }
  int64_t vocabulary() const override { return llama_.vocabulary(); }
  int64_t max_positions() const override { return llama_.max_positions(); }

 protected:
  void run_stage(size_t stage, Pass& pass, const Attachments& attachments) const override;

 private:
  // Returns the residual stream of a state, which is before the concatenated feature layers.
  at::Tensor stream(const at::Tensor& state) const;
  // Returns the state after `blocks` blocks: the feature layers so far, and the stream, which is
  // added to them if it is a feature layer.
  at::Tensor next_state(int64_t blocks, const at::Tensor& stream, const at::Tensor& before) const;
  // (N, P, L * D) of the feature layers -> (N, P, H), without the first position if the
  // config excludes it.
  at::Tensor project(const at::Tensor& state, const Attachments& attachments) const;

  LlavaConfig config_;
  std::vector<int64_t> kept_;
  size_t connector_, language_;  // the first stage of each module
  Clip vision_;
  Linear linear1_, linear2_;
  Llama llama_;
};

std::unique_ptr<Model> make_llava(const LlavaConfig& config, Weights& weights);

// Names as in released folders (`vision_tower.vision_model.`, `multi_modal_projector.`,
// `language_model.model.`, `language_model.lm_head`). Newer releases add `model.` before the
// modules, remove the inner `vision_model.` and `model.`, and move the head out of the language
// model.
std::string llava_name(const std::string& name);
Architecture llava_architecture(const nlohmann::json& config);

}  // namespace emend
