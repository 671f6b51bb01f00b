#pragma once

#include <cstdint>
#include <string>

#include "models/config/json_fields.h"
#include "nn/activation.h"

namespace emend {

// Defaults are those of transformers' Blip2Config, Blip2VisionConfig, Blip2QFormerConfig and
// OPTConfig.
struct Blip2VisionConfig {
  int64_t hidden = 1408, intermediate = 6144, layers = 39, heads = 16;
  int64_t image_size = 224, patch_size = 14;
  Activation activation = Activation::gelu;
  double eps = 1e-6;
  // eps of the norm after the blocks: emend's own field `post_layernorm_eps`, for models in which
  // it differs from layer_norm_eps. It is 1e-5 in LAVIS and MiniGPT-4; transformers has no such
  // field.
  double post_norm_eps = 1e-6;
  bool qkv_bias = true;

  int64_t grid() const { return image_size / patch_size; }
  // The functions are described at Blip2Config.
  static Blip2VisionConfig parse(const JsonFields& json);
  void validate() const;
  std::string canonical() const;
};

// The fields of `qformer_config`.
struct QFormerConfig {
  int64_t hidden = 768, intermediate = 3072, layers = 12, heads = 12;
  int64_t cross_attention_frequency = 2;  // layer i has cross-attention if i % frequency == 0
  Activation activation = Activation::gelu;
  double eps = 1e-12;

  static QFormerConfig parse(const JsonFields& json, int64_t vision_hidden);
  void validate() const;
  std::string canonical() const;
};

// The fields of `text_config` of an OPT.
struct OptConfig {
  int64_t vocabulary = 50272, hidden = 768, ffn = 3072, layers = 12, heads = 12;
  int64_t max_positions = 2048;
  int64_t embedding_width = 768;  // word_embed_proj_dim
  bool norm_before = true;        // do_layer_norm_before
  bool final_norm = true;         // false: _remove_final_layer_norm
  bool bias = true;               // enable_bias
  bool norm_affine = true;        // layer_norm_elementwise_affine
  bool tied = true;               // tie_word_embeddings
  Activation activation = Activation::relu;
  double eps = 1e-5;  // a constant in OPT
};

// config.json of a Blip2ForConditionalGeneration with OPT.
struct Blip2Config {
  Blip2VisionConfig vision;
  QFormerConfig qformer;
  OptConfig text;
  int64_t queries = 32;      // num_query_tokens
  int64_t image_token = -1;  // image_token_index; -1 if config.json has none

  // Throws emend::Error, which names field and value, if a field is malformed or not implemented.
  static Blip2Config parse(const nlohmann::json& json);
  static Blip2Config load(const std::string& path);
  // Checks that sizes fit each other; called by the parsers and by the model.
  void validate() const;
  // All fields as text; equal for equivalent configurations.
  std::string canonical() const;
};

}  // namespace emend
