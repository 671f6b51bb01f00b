#include "models/architectures/qformer/blip2.h"

#include "models/architectures/qformer/qformer_vlm.h"
#include "models/config/json_fields.h"
#include "models/language/opt.h"

namespace emend {

std::unique_ptr<Model> make_blip2(const Blip2Config& config, Weights& weights) {
  config.validate();
  const QFormerVlm::Parts parts{
      config.vision, config.qformer, config.queries, config.text.hidden,
      [&](const Builder& builder) { return std::make_unique<Opt>(config.text, builder); }};
  return std::make_unique<QFormerVlm>(parts, blip2_name, weights);
}

std::string blip2_name(const std::string& name) {
  std::string result = name;
  for (const char* part : {"model.vision_model.", "model.qformer.", "model.language_projection.",
                           "model.language_model.", "model.query_tokens"})
    if (result.starts_with(part)) result = result.substr(6);
  // The text model without the prefix of OPTForCausalLM.
  if (result.starts_with("language_model.decoder."))
    result = "language_model.model." + result.substr(15);
  return result;
}

Architecture blip2_architecture(const nlohmann::json& json) {
  const auto config = Blip2Config::parse(json);
  Architecture architecture;
  architecture.canonical = config.canonical();
  architecture.names = blip2_name;
  if (config.text.tied) architecture.tied_weights = {"language_model.lm_head.weight"};
  architecture.make_model = [config](Weights& weights) { return make_blip2(config, weights); };

  auto& layout = architecture.layout;
  layout.num_image_tokens = config.queries;
  if (config.image_token >= 0) layout.image_token = config.image_token;
  layout.pictures_first = true;
  layout.requires_bos = JsonFields("config.json", json).boolean("text_requires_bos", false);
  layout.chat_template = false;
  layout.settings = {{"num_query_tokens", std::to_string(config.queries)}};
  // Transformers generates with the language model, whose stop token is in text_config, and ignores
  // that of the folder's generation_config.json.
  layout.generation_config_stops = false;
  layout.stop_tokens = stop_tokens({JsonFields("config.json", json).object("text_config")});
  return architecture;
}

}  // namespace emend
