#include "models/blip2.h"

#include "models/json_fields.h"

namespace emend {
namespace {

const Blip2Config& checked(const Blip2Config& config) {
  config.validate();
  return config;
}

}  // namespace

Blip2::Blip2(const Blip2Config& config, Weights& weights)
    : Model(weights, blip2_name),
      config_(checked(config)),
      bridge_(static_cast<size_t>(config.vision.layers) + 2),
      language_(bridge_ + static_cast<size_t>(config.qformer.layers) + 2),
      vision_(config.vision, builder(weights, 0)),
      qformer_(config, builder(weights, bridge_)),
      opt_(config.text, builder(weights, language_)) {
  weights.finish();
  add_stage("vision.embed", Module::vision);
  add_stages("vision.block", Module::vision, config.vision.layers);
  add_stage("vision.norm", Module::vision);
  add_stage("bridge.embed", Module::bridge);
  add_stages("bridge.layer", Module::bridge, config.qformer.layers);
  add_stage("bridge.project", Module::bridge);
  add_stage("language.embed", Module::language);
  add_stages("language.block", Module::language, opt_.blocks());
  add_stage("language.head", Module::language);
}

std::string Blip2::default_sites(Module module) const {
  if (module == Module::bridge) return "qformer.*";
  return module == Module::language ? opt_.default_sites() : "";
}

void Blip2::run_stage(size_t stage, Pass& pass, const Attachments& attachments) const {
  if (stage < bridge_) {
    if (stage == 0)
      pass.hidden = vision_.embed(pass.pixels);
    else if (stage + 1 < bridge_)
      pass.hidden = vision_.block(stage - 1, pass.hidden, attachments);
    else
      pass.hidden = vision_.norm(pass.hidden);
  } else if (stage < language_) {
    if (stage == bridge_) {
      pass.features = pass.hidden;
      pass.hidden = qformer_.embed(pass.features.size(0));
    } else if (stage + 1 < language_) {
      pass.hidden = qformer_.layer(stage - bridge_ - 1, pass.hidden, pass.features, attachments);
    } else {
      pass.hidden = qformer_.project(pass.hidden, attachments);
      pass.features = at::Tensor();
    }
  } else {
    run_language_stage(opt_, stage - language_, pass, attachments);
  }
}

std::unique_ptr<Model> make_blip2(const Blip2Config& config, Weights& weights) {
  return std::make_unique<Blip2>(config, weights);
}

std::string blip2_name(const std::string& name) {
  const auto starts_with = [](const std::string& text, const char* prefix) {
    return text.rfind(prefix, 0) == 0;
  };
  std::string result = name;
  for (const char* part : {"model.vision_model.", "model.qformer.", "model.language_projection.",
                           "model.language_model.", "model.query_tokens"})
    if (starts_with(result, part)) result = result.substr(6);
  // OPT without its head's wrapper.
  if (starts_with(result, "language_model.decoder."))
    result = "language_model.model." + result.substr(15);
  return result;
}

Architecture blip2_architecture(const nlohmann::json& json) {
  const auto config = Blip2Config::parse(json);
  Architecture architecture;
  architecture.canonical = config.canonical();
  architecture.names = blip2_name;
  if (config.text.tied) architecture.repeated = {"language_model.lm_head.weight"};
  architecture.make_model = [config](Weights& weights) { return make_blip2(config, weights); };

  auto& layout = architecture.layout;
  layout.image_slots = config.queries;
  if (config.image_token >= 0) layout.image_token = config.image_token;
  layout.pictures_first = true;
  layout.chat_template = false;
  layout.settings = {{"num_query_tokens", std::to_string(config.queries)}};
  // Transformers generates through the language model, whose settings come from text_config; the
  // folder's generation_config.json does not move the stop.
  layout.generation_config_stops = false;
  layout.stop_tokens = JsonFields("config.json", json).object("text_config").ids("eos_token_id");
  if (layout.stop_tokens.empty()) layout.stop_tokens = {2};  // OPTConfig's default
  return architecture;
}

}  // namespace emend
