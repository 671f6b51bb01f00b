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
  // vision_feature_layer: the states after so many blocks, side by side as they stand here.
  std::vector<int64_t> feature_layers;
  bool class_feature = false;  // vision_feature_select_strategy is `full`, not `default`
  bool projector_bias = true;  // multimodal_projector_bias
  Activation projector_activation = Activation::gelu;

  // How many blocks of the vision tower run.
  int64_t vision_blocks() const;
  // Those of the feature layers, each once and in order, that more blocks follow.
  std::vector<int64_t> kept_layers() const;
  // How many positions a picture fills.
  int64_t image_slots() const { return vision.grid() * vision.grid() + (class_feature ? 1 : 0); }

  // Throws emend::Error naming field and value for what is malformed or not implemented.
  static LlavaConfig parse(const nlohmann::json& json);
  // Every field as text: equal for configurations that mean the same.
  std::string canonical() const;
};

}  // namespace emend
