#include "models/config/smolvlm_config.h"

#include <fmt/format.h>

#include "io/error.h"

namespace emend {

SiglipConfig SiglipConfig::parse(const JsonFields& json) {
  SiglipConfig c;
  const auto type = json.string("model_type").value_or("smolvlm_vision");
  if (type != "smolvlm_vision" && type != "idefics3_vision" && type != "smolvlm" &&
      type != "idefics3")
    json.refuse("model_type", "`smolvlm_vision`, `idefics3_vision`");
  c.read(json, "gelu_pytorch_tanh");
  // Positions are computed as float32 fractions of the picture.
  if (c.image_size < c.patch_size || c.grid() > 4096)
    json.refuse("image_size", fmt::format("1 to 4096 times patch_size {}", c.patch_size));
  return c;
}

SmolVlmConfig SmolVlmConfig::parse(const nlohmann::json& json) {
  const JsonFields top("config.json", json);
  const auto type = top.string("model_type").value_or("smolvlm");
  if (type != "smolvlm" && type != "idefics3") top.refuse("model_type", "`smolvlm`, `idefics3`");
  top.expect_absent("quantization_config");
  if (!top.has("text_config"))
    throw Error("models::config", "config.json has no text_config",
                "the field describes the language model; correct config.json");
  SmolVlmConfig c;
  c.vision = SiglipConfig::parse(top.object("vision_config"));
  c.text = LlamaConfig::parse(top.object("text_config"));
  c.text.tied = top.boolean("tie_word_embeddings", false);  // text_config does not matter
  c.image_token = top.integer("image_token_id", c.image_token, 0, kMaxDimension);
  if (c.image_token >= c.text.vocabulary)
    throw Error("models::config",
                fmt::format("image_token_id {} is not below vocab_size {}", c.image_token,
                            c.text.vocabulary),
                "image_token_id must be a token of the vocabulary; correct config.json");
  c.scale = top.integer("scale_factor", c.scale, 1, kMaxDimension);
  if (c.vision.grid() % c.scale != 0)
    top.refuse("scale_factor",
               fmt::format("divisors of the {} patches of a side", c.vision.grid()));
  return c;
}

std::string SmolVlmConfig::canonical() const {
  return fmt::format("smolvlm;{};{}|{}|{}", image_token, scale, vision.canonical(),
                     text.canonical());
}

}  // namespace emend
