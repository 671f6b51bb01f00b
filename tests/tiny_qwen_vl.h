#pragma once

#include "tests/tiny_llava.h"

// Tiny Qwen2.5-VL and Qwen3-VL folders with random weights: image tokens of 8 x 8 pixels, so that a
// picture of 32 x 32 pixels has 16.
namespace emend::testing {

inline nlohmann::json tiny_qwen_vl_config(const std::string& type) {
  auto text = tiny_llama_config();
  text.erase("architectures");
  text["model_type"] = type + "_text";
  text["max_position_embeddings"] = 2048;  // prompts are tokenized into bytes
  text["num_hidden_layers"] = 3;
  text["head_dim"] =
      text["hidden_size"].get<int64_t>() / text["num_attention_heads"].get<int64_t>();
  const auto frequencies = text["head_dim"].get<int64_t>() / 2;
  text["rope_scaling"] = {
      {"rope_type", "default"},
      {"mrope_section", {frequencies - 2 * (frequencies / 3), frequencies / 3, frequencies / 3}}};
  nlohmann::json vision = {{"model_type", type},      {"depth", 3},
                           {"hidden_size", 24},       {"out_hidden_size", text["hidden_size"]},
                           {"intermediate_size", 48}, {"num_heads", 3},
                           {"patch_size", 4},         {"spatial_merge_size", 2},
                           {"temporal_patch_size", 2}};
  if (type == "qwen2_5_vl")
    vision.update({{"window_size", 16}, {"fullatt_block_indexes", {1}}});
  else
    vision.update({{"num_position_embeddings", 25}, {"deepstack_visual_indexes", {0, 2}}});
  return {{"architectures",
           {type == "qwen2_5_vl" ? "Qwen2_5_VLForConditionalGeneration"
                                 : "Qwen3VLForConditionalGeneration"}},
          {"model_type", type},
          {"image_token_id", kTinyImageToken},
          {"video_token_id", text["vocab_size"].get<int64_t>() - 1},
          {"tie_word_embeddings", false},
          {"text_config", text},
          {"vision_config", vision}};
}

inline void write_tiny_qwen_vl(const std::string& folder, const std::string& type, uint64_t seed) {
  write_tiny_model(folder, tiny_qwen_vl_config(type), seed);
  write_text(folder + "/tokenizer.json", tiny_tokenizer_with_placeholder().dump());
  write_text(folder + "/preprocessor_config.json",
             nlohmann::json{{"image_processor_type", "Qwen2VLImageProcessorFast"},
                            {"patch_size", 4},
                            {"merge_size", 2},
                            {"temporal_patch_size", 2},
                            {"size", {{"shortest_edge", 64}, {"longest_edge", 1024}}}}
                 .dump());
}

inline void write_tiny_qwen2_5_vl(const std::string& folder, uint64_t seed = 0) {
  write_tiny_qwen_vl(folder, "qwen2_5_vl", seed);
}
inline void write_tiny_qwen3_vl(const std::string& folder, uint64_t seed = 0) {
  write_tiny_qwen_vl(folder, "qwen3_vl", seed);
}

}  // namespace emend::testing
