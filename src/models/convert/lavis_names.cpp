#include "models/convert/lavis_names.h"

#include <regex>

namespace emend {

std::optional<std::string> without_prefix(const std::string& text, const std::string& prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  return text.substr(prefix.size());
}

std::optional<std::string> lavis_vision_name(const std::string& name) {
  if (name == "cls_token") return "vision_model.embeddings.class_embedding";
  if (name == "pos_embed") return "vision_model.embeddings.position_embedding";
  if (auto rest = without_prefix(name, "patch_embed.proj."))
    return "vision_model.embeddings.patch_embedding." + *rest;

  static const std::regex block(
      R"(blocks\.(\d+)\.(norm1|norm2|attn\.qkv|attn\.proj|mlp\.fc1|mlp\.fc2)\.(weight|bias))");
  static const std::regex half_bias(R"(blocks\.(\d+)\.attn\.([qv]_bias))");
  std::smatch match;
  if (std::regex_match(name, match, half_bias))
    return "vision_model.encoder.layers." + match.str(1) + ".self_attn." + match.str(2);
  if (!std::regex_match(name, match, block)) return std::nullopt;
  auto part = match.str(2);
  if (part == "norm1" || part == "norm2") part = "layer_" + part;
  if (part == "attn.qkv") part = "self_attn.qkv";
  if (part == "attn.proj") part = "self_attn.projection";
  return "vision_model.encoder.layers." + match.str(1) + "." + part + "." + match.str(3);
}

std::optional<std::string> lavis_connector_name(const std::string& name) {
  if (name == "query_tokens") return name;
  if (auto rest = without_prefix(name, "ln_vision.")) return "vision_model.post_layernorm." + *rest;
  if (auto rest = without_prefix(name, "Qformer.bert.embeddings.LayerNorm."))
    return "qformer.layernorm." + *rest;
  static const std::regex layer(
      R"(Qformer\.bert\.encoder\.layer\.(\d+)\.(attention|crossattention)\.(self|output)\.(.+))");
  static const std::regex feed_forward(
      R"(Qformer\.bert\.encoder\.layer\.(\d+)\.((intermediate|output)_query\..+))");
  std::smatch match;
  if (std::regex_match(name, match, layer))
    return "qformer.encoder.layer." + match.str(1) + "." + match.str(2) + "." +
           (match.str(3) == "self" ? "attention" : "output") + "." + match.str(4);
  if (std::regex_match(name, match, feed_forward))
    return "qformer.encoder.layer." + match.str(1) + "." + match.str(2);
  return std::nullopt;
}

}  // namespace emend
