#include "models/config/vision_config.h"

#include <fmt/format.h>

namespace emend {
namespace {}  // namespace

void VisionTransformerConfig::read(const JsonFields& json, const char* default_activation) {
  json.expect_absent("quantization_config");
  hidden = json.integer("hidden_size", hidden, 1, kMaxDimension);
  intermediate = json.integer("intermediate_size", intermediate, 1, kMaxDimension);
  layers = json.integer("num_hidden_layers", layers, 0, 4096);
  heads = json.integer("num_attention_heads", heads, 1, kMaxDimension);
  image_size = json.square("image_size", image_size, kMaxDimension);
  patch_size = json.square("patch_size", patch_size, kMaxDimension);
  activation = json.activation("hidden_act", default_activation);
  eps = json.number("layer_norm_eps", eps, 0, 1);
  json.integer("num_channels", 3, 3, 3);
  if (hidden % heads != 0)
    json.refuse("hidden_size", fmt::format("multiples of num_attention_heads {}", heads));
}

std::string VisionTransformerConfig::canonical_as(const char* name) const {
  return fmt::format("{};{};{};{};{};{};{};{};{}", name, hidden, intermediate, layers, heads,
                     image_size, patch_size, static_cast<int>(activation), eps);
}

}  // namespace emend
