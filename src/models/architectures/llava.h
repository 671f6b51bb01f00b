#pragma once

#include "models/architectures/architecture.h"
#include "models/config/llava_config.h"
#include "models/core/model.h"
#include "models/language/llama.h"
#include "models/vision/clip.h"
#include "models/vision/tile_grid.h"

namespace emend {

// LlavaForConditionalGeneration: CLIP or SigLIP, a projector with two linear layers, a decoder of
// the Llama family. LlavaNextForConditionalGeneration and LlavaOnevisionForConditionalGeneration
// have the same parts; a picture is the packed tensor of io/image/sizes/anyres.h, whose tiles go
// through the vision tower and become one grid of image tokens. Immutable, like every model.
class Llava : public Model {
 public:
  // Takes every tensor from `weights`. Throws emend::Error if a tensor is missing, unexpected or
  // has the wrong shape.
  Llava(const LlavaConfig& config, Weights& weights);

  std::string default_sites(Module module) const override;
  at::Tensor word_embeddings() const override { return llama_.word_embeddings(); }
  int64_t num_image_tokens() const override {
    return config_.any_resolution() ? kVariable : config_.num_image_tokens();
  }
  int64_t image_tokens(const at::Tensor& picture) const override;
  at::Tensor places(const at::Tensor& picture, int64_t count) const override;
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
  // (N, P, L * D) of the feature layers -> (N, P, H), without the first position (of each tile) if
  // the config excludes it.
  at::Tensor project(const at::Tensor& state, const Attachments& attachments) const;
  // The vision embeddings of pictures of any resolution: (N, K * P, D), tile after tile.
  void embed_tiles(Pass& pass) const;
  // (N, K * P', H) -> pass.hidden, the image tokens of each picture.
  void pack_tiles(const at::Tensor& features, Pass& pass) const;
  // The number of positions of a tile; 0 if pictures have no tiles.
  int64_t tile() const { return config_.any_resolution() ? config_.vision.positions() : 0; }

  LlavaConfig config_;
  std::vector<int64_t> feature_layers_;
  size_t connector_, language_;  // the first stage of each module
  Clip vision_;
  Linear linear1_, linear2_;
  at::Tensor newline_;  // image_newline (H), of pictures of any resolution
  Llama llama_;
};

std::unique_ptr<Model> make_llava(const LlavaConfig& config, Weights& weights);

// Names as in released folders (`vision_tower.vision_model.`, `multi_modal_projector.`,
// `language_model.model.`, `language_model.lm_head`). Newer releases add `model.` before the
// modules, remove the inner `vision_model.` and `model.`, and move the head out of the language
// model.
std::string llava_name(const std::string& name);
Architecture llava_architecture(const nlohmann::json& config);
// Throws emend::Error if the picture has another number of tiles than its resolution.
TileGrid tile_grid(const LlavaConfig& config, const AnyresPicture& picture);

}  // namespace emend
