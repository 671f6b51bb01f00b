#pragma once

#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "io/tensors/safetensors.h"
#include "io/testing.h"
#include "models/architectures/architecture.h"
#include "models/architectures/qformer/blip2.h"
#include "models/core/loading/weights.h"
#include "models/vlm.h"

// A BLIP-2 folder with random weights that is small enough for any test, and a byte tokenizer.
namespace emend::testing {

inline nlohmann::json tiny_config() {
  return {{"architectures", {"Blip2ForConditionalGeneration"}},
          {"model_type", "blip-2"},
          {"num_query_tokens", 4},
          {"use_decoder_only_language_model", true},
          {"vision_config",
           {{"model_type", "blip_2_vision_model"},
            {"hidden_size", 24},
            {"intermediate_size", 48},
            {"num_hidden_layers", 2},
            {"num_attention_heads", 3},
            {"image_size", 32},
            {"patch_size", 8},
            {"hidden_act", "gelu"},
            {"qkv_bias", true}}},
          {"qformer_config",
           {{"model_type", "blip_2_qformer"},
            {"hidden_size", 16},
            {"intermediate_size", 32},
            {"num_hidden_layers", 2},
            {"num_attention_heads", 2},
            {"encoder_hidden_size", 24},
            {"cross_attention_frequency", 2},
            {"hidden_act", "gelu"}}},
          {"text_config",
           {{"model_type", "opt"},
            {"hidden_size", 32},
            {"word_embed_proj_dim", 32},
            {"ffn_dim", 64},
            {"num_hidden_layers", 3},
            {"num_attention_heads", 2},
            {"vocab_size", 264},
            {"max_position_embeddings", 512},
            {"activation_function", "relu"},
            {"do_layer_norm_before", true},
            {"bos_token_id", 2},
            {"eos_token_id", 2},
            {"pad_token_id", 1}}}};
}

// Every byte is a token, in GPT-2's notation for bytes.
inline nlohmann::json tiny_tokenizer() {
  auto utf8 = [](int point) {
    return point < 0x80 ? std::string(1, static_cast<char>(point))
                        : std::string{static_cast<char>(0xc0 | (point >> 6)),
                                      static_cast<char>(0x80 | (point & 0x3f))};
  };
  nlohmann::json vocabulary = {{"<s>", 0}, {"<pad>", 1}, {"</s>", 2}, {"<unk>", 3}};
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    bool shown = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    vocabulary[utf8(shown ? byte : next++)] = 4 + byte;
  }
  auto added = nlohmann::json::array();
  for (auto [id, text] : {std::pair{1, "<pad>"}, std::pair{2, "</s>"}})
    added.push_back({{"id", id},
                     {"content", text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  nlohmann::json begin = {{"SpecialToken", {{"id", "</s>"}, {"type_id", 0}}}};
  nlohmann::json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", nullptr},
          {"pre_tokenizer",
           {{"type", "ByteLevel"},
            {"add_prefix_space", false},
            {"trim_offsets", true},
            {"use_regex", true}}},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single", {begin, text}},
            {"pair", {begin, text, {{"Sequence", {{"id", "B"}, {"type_id", 1}}}}}},
            {"special_tokens", {{"</s>", {{"id", "</s>"}, {"ids", {2}}, {"tokens", {"</s>"}}}}}}}},
          {"decoder",
           {{"type", "ByteLevel"},
            {"add_prefix_space", true},
            {"trim_offsets", true},
            {"use_regex", true}}},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"vocab", vocabulary},
            {"merges", nlohmann::json::array()}}}};
}

inline void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// Writes config.json and weights that are large enough for a standard deviation of about one in the
// logits. Another seed gives another model.
inline void write_tiny_model(const std::string& folder, const nlohmann::json& config,
                             uint64_t seed = 0) {
  std::filesystem::create_directories(folder);
  at::manual_seed(seed);
  auto initialize = [](const std::string& name, at::IntArrayRef shape) {
    auto noise = at::randn(shape);
    if (shape.size() >= 2) {
      int64_t in = 1;
      for (size_t i = 1; i < shape.size(); ++i) in *= shape[i];
      bool table = name.find("embed") != std::string::npos;
      // Picture features are large. Otherwise an edit of the vision module could not change the
      // answer.
      double loud = name.find("language_projection") != std::string::npos ? 4 : 1;
      return at::mul(noise, table ? 0.5 : loud / std::sqrt(static_cast<double>(in)));
    }
    bool scale = name.find("norm") != std::string::npos && name.find("weight") != std::string::npos;
    return scale ? at::add(at::mul(noise, 0.1), 1.0) : at::mul(noise, 0.1);
  };
  Weights weights(initialize, at::kFloat);
  auto model = architecture_of(config).make_model(weights);
  std::vector<std::pair<std::string, at::Tensor>> tensors(model->parameters().begin(),
                                                          model->parameters().end());
  write_safetensors(folder + "/model.safetensors", tensors, {{"format", "pt"}});
  write_text(folder + "/config.json", config.dump());
}

inline void write_tiny_vlm(const std::string& folder, uint64_t seed = 0) {
  write_tiny_model(folder, tiny_config(), seed);
  write_text(folder + "/tokenizer.json", tiny_tokenizer().dump());
  write_text(folder + "/preprocessor_config.json",
             nlohmann::json{{"image_processor_type", "BlipImageProcessor"},
                            {"do_resize", true},
                            {"do_rescale", true},
                            {"do_normalize", true},
                            {"resample", 3},
                            {"rescale_factor", 1.0 / 255},
                            {"image_mean", {0.48145466, 0.4578275, 0.40821073}},
                            {"image_std", {0.26862954, 0.26130258, 0.27577711}},
                            {"size", {{"height", 32}, {"width", 32}}}}
                 .dump());
}

// A picture with random colors.
inline std::shared_ptr<const Image> noise_image(uint64_t seed, int size = 40) {
  auto image = std::make_shared<Image>();
  image->width = image->height = size;
  uint64_t state = seed * 2654435761u + 1;
  for (int i = 0; i < size * size * 3; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    image->rgb.push_back(static_cast<uint8_t>(state >> 56));
  }
  return image;
}

}  // namespace emend::testing
