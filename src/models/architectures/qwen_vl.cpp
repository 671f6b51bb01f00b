#include "models/architectures/qwen_vl.h"

#include <algorithm>
#include <limits>

#include "models/config/json_fields.h"

namespace emend {
namespace {

bool is_third(const QwenVlConfig& config) { return config.vision.release == QwenVl::third; }

// Replaces the beginning of a name.
bool replace_start(std::string& name, const std::string& from, const std::string& to) {
  if (!name.starts_with(from)) return false;
  name = to + name.substr(from.size());
  return true;
}

std::string qwen2_vl_path(const std::string& name) {
  auto path = name;
  if (!replace_start(path, "visual.", "model.visual."))
    replace_start(path, "model.", "model.language_model.");
  return path;
}

}  // namespace

QwenVlModel::QwenVlModel(const QwenVlConfig& config, Weights& weights)
    : Model(weights, is_third(config) ? qwen3_vl_name : qwen2_vl_name),
      config_(config),
      connector_(static_cast<size_t>(config.vision.layers) + 1),
      language_(connector_ + 1),
      vision_(config.vision, builder(weights, 0), is_third(config) ? "model.visual." : "visual."),
      llama_(config.text, builder(weights, language_),
             is_third(config) ? "model.language_model." : "model.", "lm_head") {
  weights.finish();
  add_stage("vision_tower.embed", Module::vision_tower);
  add_stages("vision_tower.block", Module::vision_tower, config.vision.layers);
  add_stage("connector.project", Module::connector);
  add_language_stages(llama_.blocks());
}

std::string QwenVlModel::default_sites(Module module) const {
  if (module == Module::connector)
    return is_third(config_) ? "model.visual.*merger*.linear_fc*" : "visual.merger.mlp.*";
  return module == Module::language ? llama_.default_sites() : "";
}

at::Tensor QwenVlModel::places(const at::Tensor& picture, int64_t count) const {
  auto grid = vision_.grid(picture);
  if (count == grid.squares()) {  // image tokens, in reading order
    grid = {grid.square_rows(), grid.square_columns(), 1, 0};
  } else if (count != grid.patches()) {
    return {};
  }
  const auto size = at::tensor({static_cast<double>(grid.rows), static_cast<double>(grid.columns)});
  return (grid.positions().to(at::kDouble) + 0.5) / size.to(at::kDouble);
}

// Text has the same position on all axes. The tokens of a picture have the position of its first
// token in time, and add their row and column; the text after it continues behind the largest of
// them. `positions` are those without pictures: segments continue from segment 0.
at::Tensor QwenVlModel::rotary_positions(const Row& row, const std::vector<int64_t>& positions,
                                         const Pictures& pixels) const {
  const auto length = static_cast<int64_t>(row.ids.size());
  auto axes = at::empty({3, length}, at::kLong);
  auto* at_time = axes.data_ptr<int64_t>();
  auto *at_row = at_time + length, *at_column = at_row + length;
  auto image = row.images.begin();
  std::map<int64_t, int64_t> saved;  // how many positions pictures have saved, by segment
  const auto segment_of = [&](int64_t i) {
    return row.segments.empty() ? 0 : row.segments[static_cast<size_t>(i)];
  };
  for (int64_t i = 0; i < length;) {
    const auto id = row.ids[static_cast<size_t>(i)];
    const auto segment = segment_of(i);
    // Pictures of segment 0 are before all other segments.
    const auto before = saved[0] + (segment == 0 ? 0 : saved[segment]);
    const auto first = positions[static_cast<size_t>(i)] - before;
    if (id != kImageToken || image == row.images.end()) {
      at_time[i] = at_row[i] = at_column[i] = first;
      ++i;
      continue;
    }
    const auto grid = vision_.grid(pixels[*image++]);
    const auto count = std::min(grid.squares(), length - i);
    for (int64_t t = 0; t < count; ++t, ++i) {
      at_time[i] = first;
      at_row[i] = first + t / grid.square_columns();
      at_column[i] = first + t % grid.square_columns();
    }
    saved[segment] += count - std::max(grid.square_rows(), grid.square_columns());
  }
  return axes;
}

void QwenVlModel::run_vision_block(size_t index, Pass& pass, const Attachments& attachments) const {
  const auto& deepstack = config_.vision.deepstack;
  const int64_t width = config_.vision.hidden;
  const auto before = pass.hidden;
  auto stream = before;
  if (before.size(-1) > width) stream = before.narrow(-1, 0, width).contiguous();
  stream = vision_.block(index, stream, pass.pixels, attachments);
  std::vector<at::Tensor> parts = {stream};
  if (before.size(-1) > width) parts.push_back(before.slice(-1, width));
  if (std::binary_search(deepstack.begin(), deepstack.end(), static_cast<int64_t>(index)))
    parts.push_back(stream);
  pass.hidden = parts.size() == 1 ? stream : at::cat(parts, -1);
}

void QwenVlModel::merge(Pass& pass, const Attachments& attachments) const {
  const int64_t width = config_.vision.hidden;
  const auto x = pass.hidden.narrow(-1, 0, width).contiguous();
  pass.hidden = vision_.merge(x, pass.hidden.slice(-1, width), pass.pixels, attachments);
  for (auto& length : pass.picture_lengths) length /= config_.vision.merge * config_.vision.merge;
}

// With DeepStack, the features after those of the image tokens stay in the pass.
void QwenVlModel::embed(Pass& pass, const Attachments& attachments) const {
  const auto features = pass.hidden;
  const int64_t width = config_.text.hidden;
  const bool deepstack = features.defined() && features.size(-1) > width;
  if (deepstack) pass.hidden = features.narrow(-1, 0, width);
  run_language_stage(llama_, 0, pass, attachments);
  if (!deepstack || pass.image_positions.numel() == 0) return;
  const auto added = features.slice(-1, width);
  const auto& x = pass.hidden;
  pass.features =
      fill_slots(at::zeros({x.size(0), x.size(1), added.size(-1)}, x.options()), added, pass);
}

void QwenVlModel::run_stage(size_t stage, Pass& pass, const Attachments& attachments) const {
  if (stage == 0)
    vision_.embed(pass);
  else if (stage < connector_)
    run_vision_block(stage - 1, pass, attachments);
  else if (stage == connector_)
    merge(pass, attachments);
  else if (stage == language_)
    embed(pass, attachments);
  else
    run_language_stage(llama_, stage - language_, pass, attachments);
  if (stage <= language_ || !pass.features.defined()) return;
  const auto width = config_.text.hidden;
  const auto block = static_cast<int64_t>(stage - language_) - 1;
  if ((block + 1) * width <= pass.features.size(-1))
    pass.hidden = pass.hidden + pass.features.narrow(-1, block * width, width);
  if ((block + 1) * width >= pass.features.size(-1)) pass.features = at::Tensor();
}

std::string qwen2_vl_name(const std::string& name) {
  auto result = name;
  if (!replace_start(result, "model.visual.", "visual.") &&
      !replace_start(result, "model.language_model.", "model."))
    replace_start(result, "language_model.", "model.");
  return result;
}

std::string qwen3_vl_name(const std::string& name) {
  auto result = name;
  if (!replace_start(result, "visual.", "model.visual."))
    replace_start(result, "language_model.", "model.language_model.");
  return result;
}

Architecture qwen_vl_architecture(const nlohmann::json& json) {
  const auto config = QwenVlConfig::parse(json);
  Architecture architecture;
  architecture.canonical = config.canonical();
  architecture.names = is_third(config) ? qwen3_vl_name : qwen2_vl_name;
  if (!is_third(config)) architecture.module_path = qwen2_vl_path;
  if (config.text.tied) architecture.tied_weights = {"lm_head.weight"};
  architecture.make_model = [config](Weights& weights) {
    return std::make_unique<QwenVlModel>(config, weights);
  };

  auto& layout = architecture.layout;
  const auto& vision = config.vision;
  layout.num_image_tokens = Model::kVariable;
  layout.image_tokens = [side = vision.side()](const at::Tensor& picture) {
    return (picture.size(-2) / side) * (picture.size(-1) / side);
  };
  layout.image_token = config.image_token;
  layout.reads_several_pictures = true;
  layout.video_token = config.video_token;
  layout.bare_with_picture = "<|vision_start|><image><|vision_end|>{}";
  layout.image_settings = {{"patch_size", std::to_string(vision.patch_size)},
                           {"merge_size", std::to_string(vision.merge)},
                           {"temporal_patch_size", std::to_string(vision.temporal_patch)}};
  layout.stop_tokens = config.stop_tokens;
  return architecture;
}

}  // namespace emend
