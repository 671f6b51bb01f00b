#include "models/config/qwen_vl_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "io/error.h"

namespace emend {
namespace {

struct Release {
  const char* model_type;
  QwenVl release;
};
constexpr Release kReleases[] = {
    {"qwen2_vl", QwenVl::second}, {"qwen2_5_vl", QwenVl::second_5}, {"qwen3_vl", QwenVl::third}};

// The indices of blocks, sorted.
std::vector<int64_t> read_blocks(const JsonFields& json, const char* name,
                                 std::vector<int64_t> absent, int64_t layers) {
  auto blocks = json.has(name) ? json.ids(name) : std::move(absent);
  std::sort(blocks.begin(), blocks.end());
  const bool twice = std::adjacent_find(blocks.begin(), blocks.end()) != blocks.end();
  if (twice || (!blocks.empty() && (blocks.front() < 0 || blocks.back() >= layers)))
    json.refuse(name, fmt::format("different blocks from 0 to {}", layers - 1));
  return blocks;
}

void read_second(const JsonFields& json, QwenVisionConfig& c) {
  c.hidden = json.integer("embed_dim", c.hidden, 1, kMaxDimension);
  const auto ratio = json.number("mlp_ratio", 4, 1e-3, 1e4);
  c.intermediate = static_cast<int64_t>(static_cast<double>(c.hidden) * ratio);
  if (c.intermediate < 1) json.refuse("mlp_ratio", "numbers that give an FFN of at least 1");
  c.out = json.integer("hidden_size", c.out, 1, kMaxDimension);
}

void read_second_5(const JsonFields& json, QwenVisionConfig& c) {
  c.hidden = json.integer("hidden_size", 3584, 1, kMaxDimension);
  c.intermediate = json.integer("intermediate_size", 3420, 1, kMaxDimension);
  c.out = json.integer("out_hidden_size", c.out, 1, kMaxDimension);
  const auto pixels = json.integer("window_size", 112, 1, kMaxDimension);
  c.window = pixels / c.merge / c.patch_size;
  if (c.window < 1)
    json.refuse("window_size", fmt::format("at least {}, the pixels of an image token", c.side()));
  c.full_blocks = read_blocks(json, "fullatt_block_indexes", {7, 15, 23, 31}, c.layers);
}

void read_third(const JsonFields& json, QwenVisionConfig& c) {
  c.hidden = json.integer("hidden_size", 1152, 1, kMaxDimension);
  c.intermediate = json.integer("intermediate_size", 4304, 1, kMaxDimension);
  c.out = json.integer("out_hidden_size", c.out, 1, kMaxDimension);
  const auto positions = json.integer("num_position_embeddings", 2304, 1, kMaxDimension);
  c.position_side = std::lround(std::sqrt(static_cast<double>(positions)));
  if (c.position_side * c.position_side != positions)
    json.refuse("num_position_embeddings", "square numbers");
  c.deepstack = read_blocks(json, "deepstack_visual_indexes", {8, 16, 24}, c.layers);
}

}  // namespace

bool QwenVisionConfig::has_full_attention(int64_t block) const {
  return window == 0 || std::binary_search(full_blocks.begin(), full_blocks.end(), block);
}

QwenVisionConfig QwenVisionConfig::parse(const JsonFields& json, QwenVl release) {
  QwenVisionConfig c;
  c.release = release;
  const bool third = release == QwenVl::third;
  const std::string type = kReleases[static_cast<size_t>(release)].model_type;
  // Files of early releases have the type of the whole model.
  const auto own = json.string("model_type").value_or(type);
  if (own != type && own != type + "_vision")
    json.refuse("model_type", fmt::format("{} or {}_vision", type, type));
  json.expect_absent("quantization_config");
  c.layers = json.integer("depth", third ? 27 : 32, 1, 4096);
  c.heads = json.integer("num_heads", 16, 1, kMaxDimension);
  c.patch_size = json.square("patch_size", third ? 16 : 14, 8192);
  c.temporal_patch = json.integer("temporal_patch_size", 2, 1, 64);
  c.merge = json.integer("spatial_merge_size", 2, 1, 64);
  json.integer("in_channels", 3, 3, 3);
  json.integer("in_chans", 3, 3, 3);  // the name in files of early releases
  const auto rope = json.object("rope_parameters");
  rope.expect_only({"rope_type", "rope_theta"});
  rope.expect("rope_type", "axial");
  c.theta = rope.number("rope_theta", c.theta, 1, 1e12);
  if (release == QwenVl::second) read_second(json, c);
  if (release == QwenVl::second_5) read_second_5(json, c);
  if (third) read_third(json, c);
  c.activation = json.activation("hidden_act", third                       ? "gelu_pytorch_tanh"
                                               : release == QwenVl::second ? "quick_gelu"
                                                                           : "silu");
  if (c.hidden % (4 * c.heads) != 0)
    json.refuse(release == QwenVl::second ? "embed_dim" : "hidden_size",
                fmt::format("multiples of 4 * num_heads {}", c.heads));
  return c;
}

std::string QwenVisionConfig::canonical() const {
  return fmt::format("qwen vision {};{};{};{};{};{};{};{};{};{};{};{};{};{};{}",
                     static_cast<int>(release), hidden, intermediate, layers, heads, out,
                     patch_size, temporal_patch, merge, theta, static_cast<int>(activation), window,
                     fmt::join(full_blocks, ","), position_side, fmt::join(deepstack, ","));
}

QwenVlConfig QwenVlConfig::parse(const nlohmann::json& json) {
  const JsonFields top("config.json", json);
  top.expect_absent("quantization_config");
  const auto type = top.string("model_type").value_or("");
  const auto* known = std::find_if(std::begin(kReleases), std::end(kReleases),
                                   [&](const Release& r) { return type == r.model_type; });
  if (known == std::end(kReleases)) top.refuse("model_type", "qwen2_vl, qwen2_5_vl or qwen3_vl");
  QwenVlConfig c;
  c.vision = QwenVisionConfig::parse(top.object("vision_config"), known->release);
  // Released folders of Qwen2-VL and Qwen2.5-VL have the fields of the text model at the top.
  const bool nested = top.has("text_config");
  if (!nested && known->release == QwenVl::third)
    throw Error("models::config", "config.json has no text_config",
                "the field describes the language model; correct config.json");
  const auto text = nested ? top.object("text_config") : top;
  c.text = LlamaConfig::parse_qwen_vl(text, type);
  // Before transformers 5, the field was in text_config, if there is one.
  c.text.tied = top.boolean("tie_word_embeddings", false) || c.text.tied;
  c.stop_tokens = emend::stop_tokens({text, top});
  if (!text.has("eos_token_id") && !top.has("eos_token_id")) c.stop_tokens = {151645};
  for (const auto& [name, token] :
       {std::pair{"image_token_id", &c.image_token}, std::pair{"video_token_id", &c.video_token}}) {
    *token = top.integer(name, *token, 0, kMaxDimension);
    if (*token >= c.text.vocabulary && (top.has(name) || token == &c.image_token))
      throw Error("models::config",
                  fmt::format("{} {} is not below vocab_size {}", name, *token, c.text.vocabulary),
                  "it must be a token of the vocabulary; correct config.json");
  }
  if (c.vision.out != c.text.hidden)
    throw Error("models::config",
                fmt::format("the vision tower has an output of {}, but the text model has a "
                            "hidden_size of {}",
                            c.vision.out, c.text.hidden),
                "both must be equal; correct config.json");
  if (static_cast<int64_t>(c.vision.deepstack.size()) > c.text.layers)
    throw Error("models::config",
                fmt::format("deepstack_visual_indexes has {} blocks, but the text model has {}",
                            c.vision.deepstack.size(), c.text.layers),
                "each of them enters a decoder block; correct config.json");
  return c;
}

std::string QwenVlConfig::canonical() const {
  return fmt::format("qwen_vl;{};{}|{}|{}", image_token, video_token, vision.canonical(),
                     text.canonical());
}

}  // namespace emend
