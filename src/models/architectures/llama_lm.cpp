#include "models/architectures/llama_lm.h"

#include "models/config/json_fields.h"

namespace emend {

LlamaLm::LlamaLm(const LlamaConfig& config, Weights& weights)
    : Model(weights, identity_name), llama_(config, builder(weights, 0), "") {
  weights.finish();
  add_language_stages(llama_.blocks());
}

std::string LlamaLm::default_sites(Module module) const {
  return module == Module::language ? llama_.default_sites() : "";
}

void LlamaLm::run_stage(size_t stage, Pass& pass, const Attachments& attachments) const {
  run_language_stage(llama_, stage, pass, attachments);
}

Architecture llama_architecture(const nlohmann::json& json) {
  const JsonFields fields("config.json", json);
  const auto config = LlamaConfig::parse(fields);
  Architecture architecture;
  architecture.canonical = config.canonical();
  if (config.tied) architecture.tied_weights = {"lm_head.weight"};
  architecture.make_model = [config](Weights& weights) {
    return std::make_unique<LlamaLm>(config, weights);
  };
  architecture.layout.stop_tokens = stop_tokens({fields});
  return architecture;
}

}  // namespace emend
