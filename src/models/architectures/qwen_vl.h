#pragma once

#include "models/architectures/architecture.h"
#include "models/config/qwen_vl_config.h"
#include "models/core/model.h"
#include "models/language/llama.h"
#include "models/vision/qwen_vision.h"

namespace emend {

// Qwen2VLForConditionalGeneration, Qwen2_5_VLForConditionalGeneration and
// Qwen3VLForConditionalGeneration: a vision tower for pictures of any size, a patch merger, and
// Qwen2 or Qwen3 with rotary positions on three axes. Pictures only; videos are refused. Immutable,
// like every model.
class QwenVlModel : public Model {
 public:
  // Takes every tensor from `weights`. Throws emend::Error if a tensor is missing, unexpected or
  // has the wrong shape.
  QwenVlModel(const QwenVlConfig& config, Weights& weights);

  std::string default_sites(Module module) const override;
  at::Tensor word_embeddings() const override { return llama_.word_embeddings(); }
  int64_t num_image_tokens() const override { return kVariable; }
  int64_t image_tokens(const at::Tensor& picture) const override {
    return vision_.grid(picture).squares();
  }
  at::Tensor places(const at::Tensor& picture, int64_t count) const override;
  int64_t vocabulary() const override { return llama_.vocabulary(); }
  int64_t max_positions() const override { return llama_.max_positions(); }

 protected:
  at::Tensor rotary_positions(const Row& row, const std::vector<int64_t>& positions,
                              const Pictures& pixels) const override;
  void run_stage(size_t stage, Pass& pass, const Attachments& attachments) const override;

 private:
  // The state in the tower is the residual stream, followed by its copies after the blocks of
  // DeepStack.
  void run_vision_block(size_t index, Pass& pass, const Attachments& attachments) const;
  void merge(Pass& pass, const Attachments& attachments) const;
  void embed(Pass& pass, const Attachments& attachments) const;

  QwenVlConfig config_;
  size_t connector_, language_;  // the first stage of each module
  QwenVision vision_;
  Llama llama_;
};

// Names as in released folders. Qwen2-VL and Qwen2.5-VL: `visual.`, `model.`, `lm_head`; Qwen3-VL:
// `model.visual.`, `model.language_model.`, `lm_head`. Newer releases name the modules of all of
// them as those of Qwen3-VL; a model that was saved without its head has no `model.`.
std::string qwen2_vl_name(const std::string& name);
std::string qwen3_vl_name(const std::string& name);
Architecture qwen_vl_architecture(const nlohmann::json& config);

}  // namespace emend
