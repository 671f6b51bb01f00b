#pragma once

#include "tests/tiny_llava.h"

// A tiny SmolVLM folder with random weights: tiles of 16 pixels, 4 positions per tile.
namespace emend::testing {

inline nlohmann::json tiny_smolvlm_config() {
  auto text = tiny_llama_config();
  text.erase("architectures");
  text["max_position_embeddings"] = 2048;  // the text around tiles is tokenized into bytes
  return {{"architectures", {"SmolVLMForConditionalGeneration"}},
          {"model_type", "smolvlm"},
          {"image_token_id", kTinyImageToken},
          {"scale_factor", 2},
          {"tie_word_embeddings", false},
          {"text_config", text},
          {"vision_config",
           {{"model_type", "smolvlm_vision"},
            {"hidden_size", 24},
            {"intermediate_size", 48},
            {"num_hidden_layers", 2},
            {"num_attention_heads", 3},
            {"image_size", 16},
            {"patch_size", 4}}}};
}

// A picture has up to longest_edge / 16 tiles in each direction.
inline void write_tiny_smolvlm_processor(const std::string& folder, int longest_edge) {
  write_text(folder + "/preprocessor_config.json",
             nlohmann::json{{"image_processor_type", "SmolVLMImageProcessor"},
                            {"size", {{"longest_edge", longest_edge}}},
                            {"max_image_size", {{"longest_edge", 16}}}}
                 .dump());
}

inline void write_tiny_smolvlm(const std::string& folder, uint64_t seed = 0) {
  write_tiny_model(folder, tiny_smolvlm_config(), seed);
  write_text(folder + "/tokenizer.json", tiny_tokenizer_with_placeholder().dump());
  write_tiny_smolvlm_processor(folder, 32);  // each tile has 17 positions of text
  write_text(folder + "/processor_config.json", nlohmann::json{{"image_seq_len", 4}}.dump());
}

}  // namespace emend::testing
