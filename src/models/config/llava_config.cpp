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
std::vector<int64_t> read_feature_layers(const JsonFields& json, int64_t blocks, int64_t absent) {
  auto layers = json.ids("vision_feature_layer");
  if (!json.has("vision_feature_layer")) layers = {absent};
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

namespace {

// Reads the settings of pictures of any resolution.
void read_resolutions(const nlohmann::json& json, const JsonFields& top, bool onevision,
                      LlavaConfig& c) {
  constexpr const char* kName = "image_grid_pinpoints";
  const auto side = c.vision.image_size;
  const auto expected =
      fmt::format("a list of [height, width] in multiples of image_size {}", side);
  const auto fits = [&](const nlohmann::json& value) {
    return value.is_number_integer() && value >= side && value <= 64 * side &&
           value.get<int64_t>() % side == 0;
  };
  if (top.has(kName)) {
    if (!json[kName].is_array() || json[kName].empty()) top.refuse(kName, expected);
    for (const auto& pair : json[kName]) {
      if (!pair.is_array() || pair.size() != 2 || !fits(pair[0]) || !fits(pair[1]))
        top.refuse(kName, expected);
      c.pinpoints.push_back({pair[0].get<int64_t>(), pair[1].get<int64_t>()});
    }
  } else {
    c.pinpoints = onevision ? llava_onevision_pinpoints() : llava_next_pinpoints();
    if (c.pinpoints[0][0] % side != 0) top.refuse(kName, expected);
  }
  top.expect_flag("use_image_newline_parameter", true);
  if (!onevision) return;
  const auto ratio = top.string("vision_aspect_ratio").value_or("anyres_max_9");
  const std::string start = "anyres_max_";
  const auto digits = ratio.starts_with(start) ? ratio.substr(start.size()) : "";
  if (digits.empty() || digits.size() > 4 ||
      digits.find_first_not_of("0123456789") != std::string::npos || std::stoll(digits) < 1)
    top.refuse("vision_aspect_ratio", "anyres_max_N with a number N of 1 or more");
  c.most_tiles = std::stoll(digits);
}

}  // namespace

LlavaConfig LlavaConfig::parse(const nlohmann::json& json) {
  const JsonFields top("config.json", json);
  const auto type = top.string("model_type").value_or("llava");
  const bool next = type == "llava_next", onevision = type == "llava_onevision";
  if (type != "llava" && !next && !onevision)
    top.refuse("model_type", "llava, llava_next or llava_onevision");
  top.expect_absent("quantization_config");
  LlavaConfig c;
  if (onevision) c.image_token = 151646;
  if (top.has("vision_config")) {
    c.vision = ClipVisionConfig::parse(top.object("vision_config"));
  } else if (onevision) {
    throw Error("models::config", "config.json has no vision_config",
                "the field describes the vision tower; correct config.json");
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
  c.feature_layers = read_feature_layers(top, c.vision.layers, onevision ? -1 : -2);
  const auto strategy =
      top.string("vision_feature_select_strategy").value_or(onevision ? "full" : "default");
  if (strategy != "default" && strategy != "full")
    top.refuse("vision_feature_select_strategy", "`default`, `full`");
  c.first_position = strategy == "full";
  c.projector_bias = top.boolean("multimodal_projector_bias", c.projector_bias);
  c.projector_activation = top.activation("projector_hidden_act", "gelu");
  if (!next && !onevision) return c;
  read_resolutions(json, top, onevision, c);
  if (c.num_image_tokens() != c.vision.grid() * c.vision.grid())
    top.refuse("vision_feature_select_strategy",
               c.vision.siglip ? "`full` for SigLIP, which has no class token"
                               : "`default` for CLIP, which has a class token");
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
  auto name = fmt::format("llava;{};{};{};{};{}|{}|{}", image_token, fmt::join(feature_layers, ","),
                          first_position, projector_bias, static_cast<int>(projector_activation),
                          vision.canonical(), text.canonical());
  for (const auto& [height, width] : pinpoints) name += fmt::format(";{}x{}", height, width);
  if (most_tiles > 0) name += fmt::format(";anyres_max_{}", most_tiles);
  return name;
}

}  // namespace emend
