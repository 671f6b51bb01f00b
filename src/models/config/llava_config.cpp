#include "models/config/llava_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "io/error.h"

namespace emend {
namespace {

// A layer or a list of layers; negative numbers count from the end. The default is the second to
// last layer.
std::vector<int64_t> read_feature_layers(const JsonFields& json, int64_t blocks) {
  auto layers = json.ids("vision_feature_layer");
  if (!json.has("vision_feature_layer")) layers = {-2};
  const auto fits = [&](int64_t layer) { return layer >= -blocks - 1 && layer <= blocks; };
  if (layers.empty() || layers.size() > 4096 || !std::all_of(layers.begin(), layers.end(), fits))
    json.refuse("vision_feature_layer",
                fmt::format("{} to {}, one number or a list", -blocks - 1, blocks));
  for (auto& layer : layers)
    if (layer < 0) layer += blocks + 1;
  return layers;
}

}  // namespace

ClipVisionConfig ClipVisionConfig::parse(const JsonFields& json) {
  ClipVisionConfig c;
  const auto type = json.string("model_type").value_or("clip_vision_model");
  c.siglip = type == "siglip_vision_model";
  if (!c.siglip && type != "clip_vision_model")
    json.refuse("model_type", "clip_vision_model or siglip_vision_model");
  if (c.siglip) {
    c.patch_size = 16;
    c.eps = 1e-6;
    c.head = json.boolean("vision_use_head", true);
  }
  c.read(json, c.siglip ? "gelu_pytorch_tanh" : "quick_gelu");
  if (c.image_size < c.patch_size)
    json.refuse("image_size", fmt::format("patch_size {} or more", c.patch_size));
  return c;
}

LlavaConfig LlavaConfig::parse(const nlohmann::json& json) {
  const JsonFields top("config.json", json);
  top.expect("model_type", "llava");
  top.expect_absent("quantization_config");
  LlavaConfig c;
  if (top.has("vision_config")) {
    c.vision = ClipVisionConfig::parse(top.object("vision_config"));
  } else {  // the default in transformers: CLIP ViT-L/14 with 336 pixels
    c.vision.hidden = 1024;
    c.vision.intermediate = 4096;
    c.vision.layers = 24;
    c.vision.heads = 16;
    c.vision.image_size = 336;
    c.vision.patch_size = 14;
  }
  c.text = LlamaConfig::parse(top.object("text_config"));
  c.text.tied = top.boolean("tie_word_embeddings", false) || c.text.tied;
  c.image_token =
      top.integer("image_token_index",
                  top.integer("image_token_id", c.image_token, 0, kMaxDimension), 0, kMaxDimension);
  if (c.image_token >= c.text.vocabulary)
    throw Error("models::config",
                fmt::format("image_token_index {} is not below vocab_size {}", c.image_token,
                            c.text.vocabulary),
                "image_token_index must be a token of the vocabulary; correct config.json");
  c.feature_layers = read_feature_layers(top, c.vision.layers);
  const auto strategy = top.string("vision_feature_select_strategy").value_or("default");
  if (strategy != "default" && strategy != "full")
    top.refuse("vision_feature_select_strategy", "`default`, `full`");
  c.first_position = strategy == "full";
  c.projector_bias = top.boolean("multimodal_projector_bias", c.projector_bias);
  c.projector_activation = top.activation("projector_hidden_act", "gelu");
  return c;
}

int64_t LlavaConfig::vision_blocks() const {
  return *std::max_element(feature_layers.begin(), feature_layers.end());
}

std::vector<int64_t> LlavaConfig::kept_layers() const {
  std::set<int64_t> layers(feature_layers.begin(), feature_layers.end());
  layers.erase(vision_blocks());
  return {layers.begin(), layers.end()};
}

std::string LlavaConfig::canonical() const {
  return fmt::format("llava;{};{};{};{};{}|{}|{}", image_token, fmt::join(feature_layers, ","),
                     first_position, projector_bias, static_cast<int>(projector_activation),
                     vision.canonical(), text.canonical());
}

}  // namespace emend
