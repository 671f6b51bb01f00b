#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/config/llama_config.h"

namespace emend {

// Qwen2-VL, Qwen2.5-VL and Qwen3-VL.
enum class QwenVl { second, second_5, third };

// The vision tower of a Qwen-VL. Defaults are those of transformers' Qwen2VLVisionConfig; parse
// uses those of the release.
struct QwenVisionConfig {
  QwenVl release = QwenVl::second;
  int64_t hidden = 1280, intermediate = 5120, layers = 32, heads = 16;
  int64_t out = 3584;  // the width of the language model
  int64_t patch_size = 14;
  int64_t temporal_patch = 2;  // temporal_patch_size: a picture is repeated as so many frames
  int64_t merge = 2;     // spatial_merge_size: so many patches per side become one image token
  double theta = 10000;  // rope_parameters.rope_theta
  Activation activation = Activation::quick_gelu;
  int64_t window = 0;                // Qwen2.5-VL: the side of a window in image tokens
  std::vector<int64_t> full_blocks;  // Qwen2.5-VL: fullatt_block_indexes, sorted
  int64_t position_side = 0;         // Qwen3-VL: the side of the grid of position embeddings
  std::vector<int64_t> deepstack;    // Qwen3-VL: deepstack_visual_indexes, sorted

  // The sides of a picture are multiples of this number of pixels.
  int64_t side() const { return patch_size * merge; }
  bool has_full_attention(int64_t block) const;
  static QwenVisionConfig parse(const JsonFields& json, QwenVl release);
  std::string canonical() const;
};

// Qwen2VLForConditionalGeneration, Qwen2_5_VLForConditionalGeneration and
// Qwen3VLForConditionalGeneration.
struct QwenVlConfig {
  QwenVisionConfig vision;
  LlamaConfig text;
  int64_t image_token = 151655, video_token = 151656;  // image_token_id, video_token_id
  std::vector<int64_t> stop_tokens;                    // eos_token_id of the text model

  // Throws emend::Error, which names field and value, if a field is malformed or not implemented.
  static QwenVlConfig parse(const nlohmann::json& json);
  // All fields as text; equal for equivalent configurations.
  std::string canonical() const;
};

}  // namespace emend
