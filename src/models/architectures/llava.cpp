#include "models/architectures/llava.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"
#include "models/config/json_fields.h"

namespace emend {
namespace {

const char* const kVision = "vision_tower.vision_model.";
const char* const kLanguage = "language_model.";

}  // namespace

Llava::Llava(const LlavaConfig& config, Weights& weights)
    : Model(weights, llava_name),
      config_(config),
      feature_layers_(config.kept_layers()),
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
  if (config.any_resolution())
    newline_ = builder(weights, connector_).parameter("image_newline", {config.text.hidden});
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
  return feature_layers_.empty() ? state : state.narrow(-1, 0, config_.vision.hidden).contiguous();
}

at::Tensor Llava::next_state(int64_t blocks, const at::Tensor& stream,
                             const at::Tensor& before) const {
  if (feature_layers_.empty()) return stream;
  std::vector<at::Tensor> parts = {stream};
  if (before.defined()) parts.push_back(before.slice(-1, config_.vision.hidden));
  if (std::binary_search(feature_layers_.begin(), feature_layers_.end(), blocks))
    parts.push_back(stream);
  return at::cat(parts, -1);
}

at::Tensor Llava::project(const at::Tensor& state, const Attachments& attachments) const {
  auto x = state;
  if (config_.feature_layers.size() > 1) {
    std::vector<at::Tensor> parts;
    for (auto layer : config_.feature_layers) {
      const auto found = std::lower_bound(feature_layers_.begin(), feature_layers_.end(), layer);
      const auto place = layer == config_.vision_blocks() ? 0 : found - feature_layers_.begin() + 1;
      parts.push_back(state.narrow(-1, place * config_.vision.hidden, config_.vision.hidden));
    }
    x = at::cat(parts, -1);
  }
  at::Tensor chosen = x;
  if (!config_.first_position && tile() > 0)
    chosen = x.view({x.size(0), -1, tile(), x.size(2)}).slice(2, 1).flatten(1, 2);
  else if (!config_.first_position)
    chosen = x.slice(1, 1);
  return linear2_(activate(linear1_(chosen, attachments), config_.projector_activation),
                  attachments);
}

int64_t Llava::image_tokens(const at::Tensor& picture) const {
  if (!config_.any_resolution()) return config_.num_image_tokens();
  return tile_grid(config_, unpack_anyres(picture, config_.vision.image_size)).tokens();
}

at::Tensor Llava::places(const at::Tensor& picture, int64_t count) const {
  if (!config_.any_resolution()) return {};
  const auto grid = tile_grid(config_, unpack_anyres(picture, config_.vision.image_size));
  if (count == grid.tokens()) return grid.token_places();
  return count == (1 + grid.tiles()) * tile() ? grid.feature_places(config_.vision.siglip ? 0 : 1)
                                              : at::Tensor();
}

void Llava::embed_tiles(Pass& pass) const {
  std::vector<at::Tensor> states;
  for (const auto& picture : pass.pixels) {
    const auto pixels = unpack_anyres(picture, config_.vision.image_size).pixels;
    states.push_back(vision_.embed(pixels.contiguous()).flatten(0, 1).unsqueeze(0));
  }
  pass.set_picture_states(states);
}

void Llava::pack_tiles(const at::Tensor& features, Pass& pass) const {
  std::vector<at::Tensor> tokens;
  const auto width = features.size(-1), each = config_.num_image_tokens();
  for (int64_t i = 0; i < pass.pixels.size(); ++i) {
    const auto grid = tile_grid(config_, unpack_anyres(pass.pixels[i], config_.vision.image_size));
    const auto own = features[i].narrow(0, 0, (1 + grid.tiles()) * each).view({-1, each, width});
    tokens.push_back(grid.pack(own, newline_).unsqueeze(0));
  }
  pass.set_picture_states(tokens);
}

void Llava::run_stage(size_t stage, Pass& pass, const Attachments& attachments) const {
  if (stage == 0 && config_.any_resolution()) {
    embed_tiles(pass);
    pass.hidden = next_state(0, pass.hidden, {});
  } else if (stage == 0)
    pass.hidden = next_state(0, vision_.embed(pass.pixels.stacked()), {});
  else if (stage < connector_)
    pass.hidden =
        next_state(static_cast<int64_t>(stage),
                   vision_.block(stage - 1, stream(pass.hidden), attachments, tile()), pass.hidden);
  else if (stage == connector_ && config_.any_resolution())
    pack_tiles(project(pass.hidden, attachments), pass);
  else if (stage == connector_)
    pass.hidden = project(pass.hidden, attachments);
  else
    run_language_stage(llama_, stage - language_, pass, attachments);
}

TileGrid tile_grid(const LlavaConfig& config, const AnyresPicture& picture) {
  const auto side = config.vision.image_size;
  // LLaVA-OneVision does not divide the pictures of a prompt with several of them.
  if (picture.pixels.size(0) == 1 && config.most_tiles > 0)
    return TileGrid::undivided(picture.height, picture.width, config.vision.grid());
  const auto grid = TileGrid::of(picture.height, picture.width, config.pinpoints, side,
                                 config.vision.grid(), config.most_tiles);
  if (picture.pixels.size(0) != 1 + grid.tiles())
    throw Error(
        "models::vision",
        fmt::format("a picture of {} x {} pixels has {} tiles, but the model expects {}",
                    picture.width, picture.height, picture.pixels.size(0) - 1, grid.tiles()),
        "preprocessor_config.json must have the image_grid_pinpoints of config.json");
  return grid;
}

std::unique_ptr<Model> make_llava(const LlavaConfig& config, Weights& weights) {
  return std::make_unique<Llava>(config, weights);
}

std::string llava_name(const std::string& name) {
  if (name.starts_with("lm_head")) return kLanguage + name;
  std::string result = name;
  for (const char* part : {"model.vision_tower.", "model.multi_modal_projector.",
                           "model.language_model.", "model.image_newline"})
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
  layout.reads_several_pictures = true;
  const JsonFields top("config.json", json);
  layout.stop_tokens = stop_tokens({top.object("text_config"), top});
  if (config.any_resolution()) {
    layout.num_image_tokens = Model::kVariable;
    layout.image_tokens = [config](const at::Tensor& picture) {
      return tile_grid(config, unpack_anyres(picture, config.vision.image_size)).tokens();
    };
    if (config.most_tiles > 0) {
      layout.video_token =
          top.integer("video_token_index", top.integer("video_token_id", 151647, 0, kMaxDimension),
                      0, kMaxDimension);
      layout.settings = {
          {"vision_aspect_ratio", fmt::format("\"anyres_max_{}\"", config.most_tiles)},
          {"num_image_tokens", std::to_string(config.num_image_tokens())}};
    }
    if (top.has("image_grid_pinpoints"))
      layout.image_settings = {{"image_grid_pinpoints", json.at("image_grid_pinpoints").dump()}};
    return architecture;
  }
  // Vicuna's prompt format, with which LLaVA 1.5 was trained.
  layout.with_picture = "USER: <image>\n{} ASSISTANT:";
  layout.without_picture = "USER: {} ASSISTANT:";
  layout.settings = {
      {"patch_size", std::to_string(config.vision.patch_size)},
      {"vision_feature_select_strategy", config.first_position ? "\"full\"" : "\"default\""}};
  return architecture;
}

}  // namespace emend
