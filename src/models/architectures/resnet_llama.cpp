#include "models/architectures/resnet_llama.h"

#include "models/config/json_fields.h"

namespace emend {

ResNetLlama::ResNetLlama(const ResNetLlamaConfig& config, Weights& weights)
    : Model(weights, identity_name),
      config_(config),
      connector_(static_cast<size_t>(config.vision.blocks()) + 1),
      language_(connector_ + 1),
      vision_(config.vision, builder(weights, 0), "vision_tower."),
      linear1_(
          builder(weights, connector_)
              .linear("connector.linear_1", config.vision.widths.back(), config.projector_hidden)),
      linear2_(builder(weights, connector_)
                   .linear("connector.linear_2", config.projector_hidden, config.text.hidden)),
      llama_(config.text, builder(weights, language_), "language_model.") {
  weights.finish();
  add_stage("vision_tower.embed", Module::vision_tower);
  add_stages("vision_tower.block", Module::vision_tower, config.vision.blocks());
  add_stage("connector.project", Module::connector);
  add_language_stages(llama_.blocks());
}

std::string ResNetLlama::default_sites(Module module) const {
  if (module == Module::connector) return "connector.*";
  return module == Module::language ? llama_.default_sites() : "";
}

void ResNetLlama::run_stage(size_t stage, Pass& pass, const Attachments& attachments) const {
  if (stage == 0)
    pass.hidden = vision_.embed(pass.pixels.stacked());
  else if (stage < connector_)
    pass.hidden = vision_.block(stage - 1, pass.hidden, attachments);
  else if (stage == connector_)
    pass.hidden = linear2_(
        activate(linear1_(pass.hidden, attachments), config_.projector_activation), attachments);
  else
    run_language_stage(llama_, stage - language_, pass, attachments);
}

Architecture resnet_llama_architecture(const nlohmann::json& json) {
  const auto config = ResNetLlamaConfig::parse(json);
  Architecture architecture;
  architecture.canonical = config.canonical();
  if (config.text.tied) architecture.tied_weights = {"language_model.lm_head.weight"};
  architecture.make_model = [config](Weights& weights) {
    return std::make_unique<ResNetLlama>(config, weights);
  };

  auto& layout = architecture.layout;
  layout.num_image_tokens = config.num_image_tokens();
  layout.pictures_first = true;
  // The chat template of the language model does not support pictures.
  layout.chat_template = false;
  layout.stop_tokens = stop_tokens({JsonFields("config.json", json).object("text_config")});
  return architecture;
}

}  // namespace emend
