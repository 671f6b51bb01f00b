#pragma once

#include "models/architectures/architecture.h"
#include "models/config/llava_config.h"
#include "models/core/model.h"
#include "models/language/llama.h"
#include "models/vision/clip.h"

namespace emend {

// LlavaForConditionalGeneration: CLIP, a projector of two layers, Llama. Immutable, like every
// model.
class Llava : public Model {
 public:
  // Takes every tensor from `weights`; throws emend::Error when one is missing, left over or
  // misshapen.
  Llava(const LlavaConfig& config, Weights& weights);

  std::string default_sites(Module module) const override;
  at::Tensor word_embeddings() const override { return llama_.word_embeddings(); }
  int64_t image_slots() const override { return config_.image_slots(); }
  int64_t vocabulary() const override { return llama_.vocabulary(); }
  int64_t max_positions() const override { return llama_.max_positions(); }

 protected:
  void run_stage(size_t stage, Pass& pass, const Attachments& attachments) const override;

 private:
  // The stream of a state, which has kept feature layers side by side behind it.
  at::Tensor stream(const at::Tensor& state) const;
  // The state after `blocks` blocks: what was kept stays, and the stream is kept where it is
  // wanted.
  at::Tensor next_state(int64_t blocks, const at::Tensor& stream, const at::Tensor& before) const;
  // (N, P, L * D) of the chosen layers -> (N, P, H), without the class token where the config
  // leaves it out.
  at::Tensor project(const at::Tensor& state, const Attachments& attachments) const;

  LlavaConfig config_;
  std::vector<int64_t> kept_;
  size_t bridge_, language_;  // first stage of each
  Clip vision_;
  Linear linear1_, linear2_;
  Llama llama_;
};

std::unique_ptr<Model> make_llava(const LlavaConfig& config, Weights& weights);

// Names as released folders have them (`vision_tower.vision_model.`, `multi_modal_projector.`,
// `language_model.model.`, `language_model.lm_head`); newer releases put `model.` before the parts,
// leave out the inner `vision_model.` and `model.`, and take the head out of the language model.
std::string llava_name(const std::string& name);
Architecture llava_architecture(const nlohmann::json& config);

}  // namespace emend
