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
  int64_t scale = 2;             // scale_factor: so many patches a side become one position

  // How many positions a picture, or a tile of one, fills.
  int64_t image_slots() const {
    const auto side = vision.grid() / scale;
    return side * side;
  }

  // Throws emend::Error naming field and value for what is malformed or not implemented.
  static SmolVlmConfig parse(const nlohmann::json& json);
  // Every field as text: equal for configurations that mean the same.
  std::string canonical() const;
};

}  // namespace emend
