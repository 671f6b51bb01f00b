#include "models/config/blip2_config.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "io/error.h"
#include "models/config/json_fields.h"

namespace emend {
namespace {

void check_heads(const char* part, int64_t hidden, int64_t heads) {
  if (hidden % heads != 0)
    throw Error("models::config",
                fmt::format("{}: hidden_size {} is not a multiple of "
                            "num_attention_heads {}",
                            part, hidden, heads),
                "hidden_size must be a multiple of the number of heads; correct config.json");
}

}  // namespace

Blip2VisionConfig Blip2VisionConfig::parse(const JsonFields& json) {
  Blip2VisionConfig c;
  json.expect("model_type", "blip_2_vision_model");
  c.hidden = json.integer("hidden_size", c.hidden, 1, kMaxDimension);
  c.intermediate = json.integer("intermediate_size", c.intermediate, 1, kMaxDimension);
  c.layers = json.integer("num_hidden_layers", c.layers, 0, 4096);
  c.heads = json.integer("num_attention_heads", c.heads, 1, kMaxDimension);
  c.image_size = json.square("image_size", c.image_size, kMaxDimension);
  c.patch_size = json.square("patch_size", c.patch_size, kMaxDimension);
  c.activation = json.activation("hidden_act", "gelu");
  c.eps = json.number("layer_norm_eps", c.eps, 0, 1);
  c.post_norm_eps = json.number("post_layernorm_eps", c.eps, 0, 1);
  c.qkv_bias = json.boolean("qkv_bias", c.qkv_bias);
  json.integer("num_channels", 3, 3, 3);
  return c;
}

QFormerConfig QFormerConfig::parse(const JsonFields& json, int64_t vision_hidden) {
  QFormerConfig c;
  json.expect("model_type", "blip_2_qformer");
  c.hidden = json.integer("hidden_size", c.hidden, 1, kMaxDimension);
  c.intermediate = json.integer("intermediate_size", c.intermediate, 1, kMaxDimension);
  c.layers = json.integer("num_hidden_layers", c.layers, 0, 4096);
  c.heads = json.integer("num_attention_heads", c.heads, 1, kMaxDimension);
  c.cross_attention_frequency =
      json.integer("cross_attention_frequency", c.cross_attention_frequency, 1, kMaxDimension);
  c.activation = json.activation("hidden_act", "gelu");
  c.eps = json.number("layer_norm_eps", c.eps, 0, 1);
  json.expect("position_embedding_type", "absolute");
  json.expect_flag("use_qformer_text_input", false);
  // Affects memory use, not the result.
  json.integer("chunk_size_feed_forward", 0, 0, kMaxDimension);
  // Transformers overwrites encoder_hidden_size by the size of the vision tower, so folders can
  // have its default value.
  json.integer("encoder_hidden_size", vision_hidden, 1, kMaxDimension);
  return c;
}

namespace {

OptConfig opt(const JsonFields& json) {
  OptConfig c;
  json.expect("model_type", "opt");
  c.vocabulary = json.integer("vocab_size", c.vocabulary, 1, kMaxDimension);
  c.hidden = json.integer("hidden_size", c.hidden, 1, kMaxDimension);
  c.ffn = json.integer("ffn_dim", c.ffn, 1, kMaxDimension);
  c.layers = json.integer("num_hidden_layers", c.layers, 0, 4096);
  c.heads = json.integer("num_attention_heads", c.heads, 1, kMaxDimension);
  c.max_positions = json.integer("max_position_embeddings", c.max_positions, 1, kMaxDimension);
  c.embedding_width = json.integer("word_embed_proj_dim", c.hidden, 1, kMaxDimension);
  c.norm_before = json.boolean("do_layer_norm_before", c.norm_before);
  c.final_norm = !json.boolean("_remove_final_layer_norm", false);
  c.bias = json.boolean("enable_bias", c.bias);
  c.norm_affine = json.boolean("layer_norm_elementwise_affine", c.norm_affine);
  c.tied = json.boolean("tie_word_embeddings", c.tied);
  c.activation = json.activation("activation_function", "relu");
  // OPT's configuration does not have these fields.
  json.number("layer_norm_eps", c.eps, c.eps, c.eps);
  json.expect_absent("quantization_config");
  return c;
}

}  // namespace

Blip2Config Blip2Config::parse(const nlohmann::json& json) {
  JsonFields top("config.json", json);
  top.expect("model_type", "blip-2");
  if (!json.contains("model_type"))
    throw Error("models::config", "config.json has no model_type",
                "use a folder with model_type `blip-2`");
  if (auto architecture = top.first_string("architectures");
      architecture && *architecture != "Blip2ForConditionalGeneration")
    throw Error("models::config",
                fmt::format("config.json: architectures `{}` is not implemented", *architecture),
                "Blip2ForConditionalGeneration is implemented");
  top.expect_flag("use_decoder_only_language_model", true);
  top.expect_absent("quantization_config");

  Blip2Config c;
  c.vision = Blip2VisionConfig::parse(top.object("vision_config"));
  c.qformer = QFormerConfig::parse(top.object("qformer_config"), c.vision.hidden);
  c.text = opt(top.object("text_config"));
  c.queries = top.integer("num_query_tokens", c.queries, 1, kMaxDimension);
  c.image_token = top.integer(
      "image_token_index", top.integer("image_token_id", -1, -1, kMaxDimension), -1, kMaxDimension);
  c.validate();
  return c;
}

Blip2Config Blip2Config::load(const std::string& path) { return parse(read_json_object(path)); }

void Blip2VisionConfig::validate() const {
  check_heads("vision_config", hidden, heads);
  if (image_size < patch_size)
    throw Error("models::config",
                fmt::format("vision_config: image_size {} is less than patch_size {}", image_size,
                            patch_size),
                "a picture has at least one patch; correct config.json");
}

void QFormerConfig::validate() const { check_heads("qformer_config", hidden, heads); }

void Blip2Config::validate() const {
  vision.validate();
  qformer.validate();
  check_heads("text_config", text.hidden, text.heads);
  if (text.embedding_width > text.hidden)
    throw Error("models::config",
                fmt::format("text_config: word_embed_proj_dim {} is greater than "
                            "hidden_size {}, which is not implemented",
                            text.embedding_width, text.hidden),
                "OPT is implemented with embeddings that are not wider than the hidden size");
  if (image_token >= text.vocabulary)
    throw Error("models::config",
                fmt::format("image_token_index {} is not below vocab_size {}", image_token,
                            text.vocabulary),
                "image_token_index must be a token of the vocabulary; correct config.json");
}

std::string Blip2VisionConfig::canonical() const {
  auto text = fmt::format("{};{};{};{};{};{};{};{};{}", hidden, intermediate, layers, heads,
                          image_size, patch_size, static_cast<int>(activation), eps, qkv_bias);
  // The field is included only if it differs, which keeps the fingerprints of older versions.
  if (post_norm_eps != eps) text += fmt::format(";{}", post_norm_eps);
  return text;
}

std::string QFormerConfig::canonical() const {
  return fmt::format("{};{};{};{};{};{};{}", hidden, intermediate, layers, heads,
                     cross_attention_frequency, static_cast<int>(activation), eps);
}

std::string Blip2Config::canonical() const {
  return fmt::format("blip-2;{};{}|{}|{}|{};{};{};{};{};{};{};{};{};{};{};{};{}", queries,
                     image_token, vision.canonical(), qformer.canonical(), text.vocabulary,
                     text.hidden, text.ffn, text.layers, text.heads, text.max_positions,
                     text.embedding_width, text.norm_before, text.final_norm, text.bias,
                     text.norm_affine, text.tied, static_cast<int>(text.activation));
}

}  // namespace emend
