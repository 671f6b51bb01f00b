#pragma once

#include "io/error.h"
#include "io/testing.h"
#include "tests/tiny_vlm.h"

// Tiny folders of other architectures than BLIP-2 with random weights and a byte tokenizer.
namespace emend::testing {

constexpr int64_t kTinyImageToken = 260;

inline nlohmann::json tiny_llama_config() {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_size", 32},
          {"intermediate_size", 48},
          {"num_hidden_layers", 3},
          {"num_attention_heads", 4},
          {"num_key_value_heads", 2},
          {"vocab_size", 264},
          {"max_position_embeddings", 512},
          {"bos_token_id", 2},
          {"eos_token_id", 2}};
}

inline nlohmann::json tiny_llava_config() {
  auto text = tiny_llama_config();
  text.erase("architectures");
  return {{"architectures", {"LlavaForConditionalGeneration"}},
          {"model_type", "llava"},
          {"image_token_index", kTinyImageToken},
          {"text_config", text},
          {"vision_config",
           {{"model_type", "clip_vision_model"},
            {"hidden_size", 24},
            {"intermediate_size", 48},
            {"num_hidden_layers", 3},
            {"num_attention_heads", 3},
            {"image_size", 32},
            {"patch_size", 8}}}};
}

inline nlohmann::json tiny_tokenizer_with_placeholder() {
  auto tokenizer = tiny_tokenizer();
  tokenizer["added_tokens"].push_back({{"id", kTinyImageToken},
                                       {"content", "<image>"},
                                       {"single_word", false},
                                       {"lstrip", false},
                                       {"rstrip", false},
                                       {"normalized", false},
                                       {"special", true}});
  return tokenizer;
}

inline void write_tiny_llama(const std::string& folder, uint64_t seed = 0) {
  write_tiny_model(folder, tiny_llama_config(), seed);
  write_text(folder + "/tokenizer.json", tiny_tokenizer().dump());
}

inline void write_tiny_qwen3(const std::string& folder, uint64_t seed = 0) {
  auto config = tiny_llama_config();
  config["architectures"] = {"Qwen3ForCausalLM"};
  config["model_type"] = "qwen3";
  config["head_dim"] = 12;
  write_tiny_model(folder, config, seed);
  write_text(folder + "/tokenizer.json", tiny_tokenizer().dump());
}

inline void write_tiny_llava(const std::string& folder, uint64_t seed = 0) {
  write_tiny_model(folder, tiny_llava_config(), seed);
  write_text(folder + "/tokenizer.json", tiny_tokenizer_with_placeholder().dump());
  write_text(folder + "/preprocessor_config.json",
             nlohmann::json{{"image_processor_type", "CLIPImageProcessor"},
                            {"size", {{"shortest_edge", 32}}},
                            {"crop_size", {{"height", 32}, {"width", 32}}}}
                 .dump());
  write_text(folder + "/processor_config.json",
             nlohmann::json{{"processor_class", "LlavaProcessor"},
                            {"image_token", "<image>"},
                            {"patch_size", 8},
                            {"vision_feature_select_strategy", "default"},
                            {"num_additional_image_tokens", 1}}
                 .dump());
}

}  // namespace emend::testing
