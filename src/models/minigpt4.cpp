#include "models/minigpt4.h"

namespace emend {

MiniGPT4::MiniGPT4(const MiniGPT4Config& config, Weights& weights)
    : Model(weights, same_name),
      queries_(config.queries),
      bridge_(static_cast<size_t>(config.vision.layers) + 2),
      language_(bridge_ + static_cast<size_t>(config.qformer.layers) + 2),
      vision_(config.vision, builder(weights, 0)),
      qformer_(config.qformer, config.queries, config.vision.hidden, config.text.hidden,
               builder(weights, bridge_)),
      llama_(config.text, builder(weights, language_), "language_model.") {
  weights.finish();
  add_stage("vision.embed", Module::vision);
  add_stages("vision.block", Module::vision, config.vision.layers);
  add_stage("vision.norm", Module::vision);
  add_stage("bridge.embed", Module::bridge);
  add_stages("bridge.layer", Module::bridge, config.qformer.layers);
  add_stage("bridge.project", Module::bridge);
  add_stage("language.embed", Module::language);
  add_stages("language.block", Module::language, llama_.blocks());
  add_stage("language.head", Module::language);
}

std::string MiniGPT4::default_sites(Module module) const {
  if (module == Module::bridge) return "qformer.*";
  return module == Module::language ? llama_.default_sites() : "";
}

void MiniGPT4::run_stage(size_t stage, Pass& pass, const Attachments& attachments) const {
  if (stage < bridge_)
    vision_.run_stage(stage, pass, attachments);
  else if (stage < language_)
    qformer_.run_stage(stage - bridge_, pass, attachments);
  else
    run_language_stage(llama_, stage - language_, pass, attachments);
}

Architecture minigpt4_architecture(const nlohmann::json& json) {
  const auto config = MiniGPT4Config::parse(json);
  Architecture architecture;
  architecture.canonical = config.canonical();
  if (config.text.tied) architecture.repeated = {"language_model.lm_head.weight"};
  architecture.layout = config.layout;
  architecture.make_model = [config](Weights& weights) {
    return std::make_unique<MiniGPT4>(config, weights);
  };
  return architecture;
}

}  // namespace emend
