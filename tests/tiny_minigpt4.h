#pragma once

#include "tests/tiny_llava.h"

// A tiny MiniGPT-4 folder with random weights: the vision part of BLIP-2 and a Llama.
namespace emend::testing {

inline nlohmann::json tiny_minigpt4_config() {
  const auto blip2 = tiny_config();
  auto text = tiny_llama_config();
  text.erase("architectures");
  return {{"architectures", {"MiniGPT4ForConditionalGeneration"}},
          {"model_type", "minigpt4"},
          {"num_query_tokens", 4},
          {"vision_config", blip2["vision_config"]},
          {"qformer_config", blip2["qformer_config"]},
          {"text_config", text},
          {"prompt", nlohmann::json::object()}};
}

inline void write_tiny_minigpt4(const std::string& folder, uint64_t seed = 0) {
  write_tiny_vlm(folder, seed);  // its tokenizer and image settings
  write_tiny_model(folder, tiny_minigpt4_config(), seed);
}

}  // namespace emend::testing
