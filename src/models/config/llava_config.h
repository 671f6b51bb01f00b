#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/config/llama_config.h"
#include "models/config/vision_config.h"

namespace emend {

// Defaults are those of transformers' CLIPVisionConfig.
struct ClipVisionConfig : VisionTransformerConfig {
  ClipVisionConfig()
      : VisionTransformerConfig{768, 3072, 12, 12, 224, 32, Activation::quick_gelu, 1e-5} {}

  static ClipVisionConfig parse(const JsonFields& json);
  std::string canonical() const { return canonical_as("clip"); }
};

// Defaults are those of transformers' LlavaConfig: LLaVA 1.5.
struct LlavaConfig {
  ClipVisionConfig vision;
  LlamaConfig text;
  int64_t image_token = 32000;
  // vision_feature_layer: the number of blocks before each feature layer. Feature layers are
  // concatenated in this order.
  std::vector<int64_t> feature_layers;
  bool class_feature = false;  // vision_feature_select_strategy is `full`, not `default`
  bool projector_bias = true;  // multimodal_projector_bias
  Activation projector_activation = Activation::gelu;

  // The number of blocks of the vision tower that run.
  int64_t vision_blocks() const;
  // The feature layers before the last one, without duplicates and in increasing order.
  std::vector<int64_t> kept_layers() const;
  // The number of positions of a picture.
  int64_t num_image_tokens() const {
    return vision.grid() * vision.grid() + (class_feature ? 1 : 0);
  }

  // Throws emend::Error, which names field and value, if a field is malformed or not implemented.
  static LlavaConfig parse(const nlohmann::json& json);
  // All fields as text; equal for equivalent configurations.
  std::string canonical() const;
};

}  // namespace emend
