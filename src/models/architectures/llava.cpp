#include "models/architectures/llava.h"

#include <algorithm>

#include "models/config/json_fields.h"

namespace emend {
namespace {

const char* const kVision = "vision_tower.vision_model.";
const char* const kLanguage = "language_model.";

}  // namespace

Llava::Llava(const LlavaConfig& config, Weights& weights)
    : Model(weights, llava_name),
      config_(config),
      kept_(config.kept_layers()),
      connector_(static_cast<size_t>(config.vision_blocks()) + 1),
      language_(connector_ + 1),
      vision_(config.vision, config.vision_blocks(), builder(weights, 0), kVision),
      linear1_(
          builder(weights, connector_)
              .linear("multi_modal_projector.linear_1",
                      config.vision.hidden * static_cast<int64_t>(config.feature_layers.size()),
                      config.text.hidden, config.projector_bias)),
      linear2_(builder(weights, connector_)
                   .linear("multi_modal_projector.linear_2", config.text.hidden, config.text.hidden,
                           config.projector_bias)),
      llama_(config.text, builder(weights, language_), kLanguage) {
  weights.finish();
  add_stage("vision_tower.embed", Module::vision_tower);
  add_stages("vision_tower.block", Module::vision_tower, config.vision_blocks());
  add_stage("connector.project", Module::connector);
  add_language_stages(llama_.blocks());
}

std::string Llava::default_sites(Module module) const {
  if (module == Module::connector) return "multi_modal_projector.*";
  return module == Module::language ? llama_.default_sites() : "";
}

at::Tensor Llava::stream(const at::Tensor& state) const {
  return kept_.empty() ? state : state.narrow(-1, 0, config_.vision.hidden).contiguous();
}

at::Tensor Llava::next_state(int64_t blocks, const at::Tensor& stream,
                             const at::Tensor& before) const {
  if (kept_.empty()) return stream;
  std::vector<at::Tensor> parts = {stream};
  if (before.defined()) parts.push_back(before.slice(-1, config_.vision.hidden));
  if (std::binary_search(kept_.begin(), kept_.end(), blocks)) parts.push_back(stream);
  return at::cat(parts, -1);
}

at::Tensor Llava::project(const at::Tensor& state, const Attachments& attachments) const {
  auto x = state;
  if (config_.feature_layers.size() > 1) {
    std::vector<at::Tensor> parts;
    for (auto layer : config_.feature_layers) {
      const auto found = std::lower_bound(kept_.begin(), kept_.end(), layer);
      const auto place = layer == config_.vision_blocks() ? 0 : found - kept_.begin() + 1;
      parts.push_back(state.narrow(-1, place * config_.vision.hidden, config_.vision.hidden));
    }
    x = at::cat(parts, -1);
  }
  const auto chosen = config_.first_position ? x : x.slice(1, 1);
  return linear2_(activate(linear1_(chosen, attachments), config_.projector_activation),
                  attachments);
}

void Llava::run_stage(size_t stage, Pass& pass, const Attachments& attachments) const {
  if (stage == 0)
    pass.hidden = next_state(0, vision_.embed(pass.pixels.stacked()), {});
  else if (stage < connector_)
    pass.hidden =
        next_state(static_cast<int64_t>(stage),
                   vision_.block(stage - 1, stream(pass.hidden), attachments), pass.hidden);
  else if (stage == connector_)
    pass.hidden = project(pass.hidden, attachments);
  else
    run_language_stage(llama_, stage - language_, pass, attachments);
}

std::unique_ptr<Model> make_llava(const LlavaConfig& config, Weights& weights) {
  return std::make_unique<Llava>(config, weights);
}

std::string llava_name(const std::string& name) {
  if (name.starts_with("lm_head")) return kLanguage + name;
  std::string result = name;
  for (const char* part :
       {"model.vision_tower.", "model.multi_modal_projector.", "model.language_model."})
    if (result.starts_with(part)) result = result.substr(6);
  const auto within = [&](const std::string& part, const std::string& inner, const char* beside) {
    if (result.starts_with(part) && !result.starts_with(part + inner) &&
        !result.starts_with(part + beside))
      result = part + inner + result.substr(part.size());
  };
  within("vision_tower.", "vision_model.", "vision_model.");
  within("language_model.", "model.", "lm_head");
  return result;
}

std::string llava_module_path(const std::string& name) {
  if (name.starts_with(std::string(kLanguage) + "lm_head")) return "lm_head";
  for (const auto& [own, path] : {std::pair{"language_model.model.", "model.language_model."},
                                  std::pair{"vision_tower.vision_model.", "model.vision_tower."}})
    if (name.starts_with(own)) return path + name.substr(std::string(own).size());
  return "model." + name;
}

Architecture llava_architecture(const nlohmann::json& json) {
  const auto config = LlavaConfig::parse(json);
  Architecture architecture;
  architecture.canonical = config.canonical();
  architecture.names = llava_name;
  architecture.module_path = llava_module_path;
  if (config.text.tied) architecture.tied_weights = {"language_model.lm_head.weight"};
  architecture.make_model = [config](Weights& weights) { return make_llava(config, weights); };

  auto& layout = architecture.layout;
  layout.num_image_tokens = config.num_image_tokens();
  layout.image_token = config.image_token;
  // Vicuna's prompt format, with which LLaVA 1.5 was trained.
  layout.with_picture = "USER: <image>\n{} ASSISTANT:";
  layout.without_picture = "USER: {} ASSISTANT:";
  layout.settings = {
      {"patch_size", std::to_string(config.vision.patch_size)},
      {"vision_feature_select_strategy", config.first_position ? "\"full\"" : "\"default\""}};
  const JsonFields top("config.json", json);
  layout.stop_tokens = stop_tokens({top.object("text_config"), top});
  return architecture;
}

}  // namespace emend
