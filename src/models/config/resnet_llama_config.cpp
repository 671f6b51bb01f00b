#include "models/config/resnet_llama_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <numeric>

#include "io/error.h"

namespace emend {
namespace {

constexpr int64_t kReduction = 4;  // a constant in transformers' ResNetBottleNeckLayer

std::vector<int64_t> positive_list(const JsonFields& json, const char* name,
                                   const std::vector<int64_t>& absent, int64_t most) {
  if (!json.has(name)) return absent;
  const auto values = json.ids(name);
  const auto fits = [&](int64_t value) { return value >= 1 && value <= most; };
  if (values.empty() || values.size() > 16 || !std::all_of(values.begin(), values.end(), fits))
    json.refuse(name, fmt::format("a list of 1 to 16 numbers from 1 to {}", most));
  return values;
}

}  // namespace

ResNetConfig ResNetConfig::parse(const JsonFields& json) {
  json.expect("model_type", "resnet");
  json.expect("layer_type", "bottleneck");
  json.expect_flag("downsample_in_first_stage", false);
  json.expect_only({"model_type", "layer_type", "downsample_in_first_stage",
                    "downsample_in_bottleneck", "embedding_size", "hidden_sizes", "depths",
                    "image_size", "hidden_act", "num_channels"});
  // transformers' default is false: the stride is then in the 3 x 3 convolution.
  if (!json.boolean("downsample_in_bottleneck", false))
    throw Error("models::config", "config.json: vision_config.downsample_in_bottleneck is not true",
                "only ResNets with the stride in the first 1 x 1 convolution are implemented");
  json.integer("num_channels", 3, 3, 3);
  ResNetConfig c;
  c.embedding = json.integer("embedding_size", c.embedding, 1, kMaxDimension);
  c.widths = positive_list(json, "hidden_sizes", c.widths, kMaxDimension);
  c.depths = positive_list(json, "depths", c.depths, 256);
  c.image_size = json.square("image_size", c.image_size, 4096);
  c.activation = json.activation("hidden_act", "relu");
  if (c.widths.size() != c.depths.size())
    json.refuse("depths", fmt::format("{} numbers, as hidden_sizes has", c.widths.size()));
  for (const auto width : c.widths)
    if (width % kReduction != 0)
      json.refuse("hidden_sizes", fmt::format("multiples of {}", kReduction));
  return c;
}

int64_t ResNetConfig::blocks() const {
  return std::accumulate(depths.begin(), depths.end(), int64_t{0});
}

int64_t ResNetConfig::stem_side() const { return half_side(half_side(image_size)); }

int64_t ResNetConfig::grid() const {
  auto side = stem_side();
  for (size_t stage = 1; stage < widths.size(); ++stage) side = half_side(side);
  return side;
}

std::string ResNetConfig::canonical() const {
  return fmt::format("resnet;{};{};{};{};{}", embedding, fmt::join(widths, ","),
                     fmt::join(depths, ","), image_size, static_cast<int>(activation));
}

ResNetLlamaConfig ResNetLlamaConfig::parse(const nlohmann::json& json) {
  const JsonFields top("config.json", json);
  top.expect("model_type", "resnet_llama");
  top.expect_absent("quantization_config");
  ResNetLlamaConfig c;
  c.vision = ResNetConfig::parse(top.object("vision_config"));
  c.text = LlamaConfig::parse(top.object("text_config"));
  c.projector_hidden = top.integer("projector_hidden_size", c.text.hidden, 1, kMaxDimension);
  c.projector_activation = top.activation("projector_hidden_act", "gelu");
  return c;
}

std::string ResNetLlamaConfig::canonical() const {
  return fmt::format("resnet_llama;{};{}|{}|{}", projector_hidden,
                     static_cast<int>(projector_activation), vision.canonical(), text.canonical());
}

}  // namespace emend
