#pragma once

#include "tests/tiny_llava.h"

// A tiny LLaVA-OneVision folder with random weights: up to 2 x 2 tiles of 16 pixels, with 16
// features each.
namespace emend::testing {

inline const nlohmann::json kTinyPinpoints = {{16, 16}, {16, 32}, {32, 16}, {32, 32}};

inline nlohmann::json tiny_llava_onevision_config() {
  auto text = tiny_llama_config();
  text.erase("architectures");
  text["model_type"] = "qwen2";
  return {{"architectures", {"LlavaOnevisionForConditionalGeneration"}},
          {"model_type", "llava_onevision"},
          {"image_token_index", kTinyImageToken},
          {"image_grid_pinpoints", kTinyPinpoints},
          {"vision_aspect_ratio", "anyres_max_2"},
          {"text_config", text},
          {"vision_config",
           {{"model_type", "siglip_vision_model"},
            {"hidden_size", 24},
            {"intermediate_size", 48},
            {"num_hidden_layers", 2},
            {"num_attention_heads", 3},
            {"image_size", 16},
            {"patch_size", 4},
            {"vision_use_head", false}}}};
}

inline void write_tiny_llava_onevision(const std::string& folder, uint64_t seed = 0) {
  write_tiny_model(folder, tiny_llava_onevision_config(), seed);
  write_text(folder + "/tokenizer.json", tiny_tokenizer_with_placeholder().dump());
  write_text(folder + "/preprocessor_config.json",
             nlohmann::json{{"image_processor_type", "LlavaOnevisionImageProcessor"},
                            {"size", {{"height", 16}, {"width", 16}}},
                            {"image_grid_pinpoints", kTinyPinpoints}}
                 .dump());
  write_text(
      folder + "/processor_config.json",
      nlohmann::json{{"num_image_tokens", 16}, {"vision_aspect_ratio", "anyres_max_2"}}.dump());
}

}  // namespace emend::testing
