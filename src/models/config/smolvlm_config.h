#pragma once

#include <cstdint>
#include <string>

#include "models/config/llama_config.h"
#include "models/config/vision_config.h"

namespace emend {

// Defaults are those of transformers' SmolVLMVisionConfig and Idefics3VisionConfig.
struct SiglipConfig : VisionTransformerConfig {
  SiglipConfig()
      : VisionTransformerConfig{1152, 3072, 12, 16, 224, 32, Activation::gelu_tanh, 1e-6} {}

  static SiglipConfig parse(const JsonFields& json);
  std::string canonical() const { return canonical_as("siglip"); }
};

// Defaults are those of transformers' SmolVLMConfig and Idefics3Config.
struct SmolVlmConfig {
  SiglipConfig vision;
  LlamaConfig text;
  int64_t image_token = 128257;  // image_token_id
  // scale_factor: a square of this many patches per side becomes one position.
  int64_t scale = 2;

  // The number of positions of a picture, or of a tile.
  int64_t num_image_tokens() const {
    const auto side = vision.grid() / scale;
    return side * side;
  }

  // Throws emend::Error, which names field and value, if a field is malformed or not implemented.
  static SmolVlmConfig parse(const nlohmann::json& json);
  // All fields as text; equal for equivalent configurations.
  std::string canonical() const;
};

}  // namespace emend
