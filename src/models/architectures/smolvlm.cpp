#include "models/architectures/smolvlm.h"

#include "models/config/json_fields.h"

namespace emend {
namespace {

const char* const kProjection = "model.connector.modality_projection.proj";

}  // namespace

SmolVlm::SmolVlm(const SmolVlmConfig& config, Weights& weights)
    : Model(weights, smolvlm_name),
      config_(config),
      norm_(static_cast<size_t>(config.vision.layers) + 1),
      connector_(norm_ + 1),
      language_(connector_ + 1),
      vision_(config.vision, builder(weights, 0), "model.vision_model."),
      projection_(builder(weights, connector_)
                      .linear(kProjection, config.vision.hidden * config.scale * config.scale,
                              config.text.hidden, /*bias=*/false)),
      llama_(config.text, builder(weights, language_), "model.text_model.", "lm_head") {
  weights.finish();
  add_stage("vision_tower.embed", Module::vision_tower);
  add_stages("vision_tower.block", Module::vision_tower, config.vision.layers);
  add_stage("vision_tower.norm", Module::vision_tower);
  add_stage("connector.project", Module::connector);
  add_language_stages(llama_.blocks());
}

std::string SmolVlm::default_sites(Module module) const {
  if (module == Module::connector) return kProjection;
  return module == Module::language ? llama_.default_sites() : "";
}

at::Tensor SmolVlm::pixel_shuffle(const at::Tensor& x) const {
  const int64_t scale = config_.scale, side = config_.vision.grid() / scale;
  return x.view({x.size(0), side, scale, side, scale, x.size(2)})
      .transpose(2, 3)
      .reshape({x.size(0), side * side, scale * scale * x.size(2)});
}

void SmolVlm::run_stage(size_t stage, Pass& pass, const Attachments& attachments) const {
  if (stage == 0)
    pass.hidden = vision_.embed(pass.pixels.stacked());
  else if (stage < norm_)
    pass.hidden = vision_.block(stage - 1, pass.hidden, attachments);
  else if (stage == norm_)
    pass.hidden = vision_.norm(pass.hidden);
  else if (stage == connector_)
    pass.hidden = projection_(pixel_shuffle(pass.hidden), attachments);
  else
    run_language_stage(llama_, stage - language_, pass, attachments);
}

std::unique_ptr<Model> make_smolvlm(const SmolVlmConfig& config, Weights& weights) {
  return std::make_unique<SmolVlm>(config, weights);
}

std::string smolvlm_name(const std::string& name) {
  for (const char* part : {"vision_model.", "connector.", "text_model."})
    if (name.starts_with(part)) return "model." + name;
  return name;
}

Architecture smolvlm_architecture(const nlohmann::json& json) {
  const auto config = SmolVlmConfig::parse(json);
  Architecture architecture;
  architecture.canonical = config.canonical();
  architecture.names = smolvlm_name;
  if (config.text.tied) architecture.tied_weights = {"lm_head.weight"};
  architecture.make_model = [config](Weights& weights) { return make_smolvlm(config, weights); };

  auto& layout = architecture.layout;
  layout.num_image_tokens = config.num_image_tokens();
  layout.image_token = config.image_token;
  layout.reads_several_pictures = true;
  layout.before_tile = "<fake_token_around_image><row_{row}_col_{column}>";
  layout.after_row = '\n';
  layout.after_tiles = '\n';
  layout.before_whole = "<fake_token_around_image><global-img>";
  layout.after_whole = "<fake_token_around_image>";
  layout.settings = {{"image_seq_len", std::to_string(config.num_image_tokens())}};
  const JsonFields top("config.json", json);
  layout.stop_tokens = stop_tokens({top.object("text_config"), top});
  return architecture;
}

}  // namespace emend
