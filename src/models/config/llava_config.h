#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/image/sizes/anyres.h"
#include "models/config/llama_config.h"
#include "models/config/vision_config.h"

namespace emend {

// A vision tower of CLIP or SigLIP. Defaults are those of transformers' CLIPVisionConfig; parse
// uses those of SiglipVisionConfig for SigLIP.
struct ClipVisionConfig : VisionTransformerConfig {
  bool siglip = false;  // no class token, no norm before the blocks, a bias of the patches
  bool head = false;    // vision_use_head: the folder has the tensors of SigLIP's pooling head

  ClipVisionConfig()
      : VisionTransformerConfig{768, 3072, 12, 12, 224, 32, Activation::quick_gelu, 1e-5} {}

  static ClipVisionConfig parse(const JsonFields& json);
  int64_t positions() const { return grid() * grid() + (siglip ? 0 : 1); }
  std::string canonical() const {
    return canonical_as(!siglip ? "clip" : head ? "siglip with head" : "siglip");
  }
};

// LLaVA 1.5, LLaVA-NeXT and LLaVA-OneVision. Defaults are those of transformers' LlavaConfig; parse
// uses those of the model type.
struct LlavaConfig {
  ClipVisionConfig vision;
  LlamaConfig text;
  int64_t image_token = 32000;
  // vision_feature_layer: the number of blocks before each feature layer. Feature layers are
  // concatenated in this order.
  std::vector<int64_t> feature_layers;
  // vision_feature_select_strategy is `full`, not `default`, which leaves out the first position.
  bool first_position = false;
  bool projector_bias = true;  // multimodal_projector_bias
  Activation projector_activation = Activation::gelu;
  GridPinpoints pinpoints;  // image_grid_pinpoints: pictures of any resolution; empty: LLaVA 1.5
  int64_t most_tiles = 0;   // vision_aspect_ratio anyres_max_N (OneVision): N

  bool any_resolution() const { return !pinpoints.empty(); }
  // The number of blocks of the vision tower that run.
  int64_t vision_blocks() const;
  // The feature layers before the last one, without duplicates and in increasing order.
  std::vector<int64_t> kept_layers() const;
  // The number of positions of a picture, or of a tile.
  int64_t num_image_tokens() const { return vision.positions() - (first_position ? 0 : 1); }

  // Throws emend::Error, which names field and value, if a field is malformed or not implemented.
  static LlavaConfig parse(const nlohmann::json& json);
  // All fields as text; equal for equivalent configurations.
  std::string canonical() const;
};

}  // namespace emend
