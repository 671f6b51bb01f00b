#include "models/convert/parts.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "io/error.h"
#include "io/json/json.h"
#include "io/tensors/torch_file.h"
#include "models/config/json_fields.h"
#include "models/convert/lavis_names.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
constexpr const char* kPartsPlace = "models::convert";
const std::string kLayers = "vision_model.encoder.layers.";
const std::string kPositions = "vision_model.embeddings.position_embedding";
const std::string kPatches = "vision_model.embeddings.patch_embedding.weight";

int64_t side_of_grid(const Gather& gather) {
  const auto positions = gather.shape(kPositions, 3)[1] - 1;
  const auto side = std::llround(std::sqrt(static_cast<double>(std::max<int64_t>(positions, 0))));
  if (side < 1 || side * side != positions)
    throw Error(kPartsPlace,
                fmt::format("the vision tower has {} position embeddings, which do not match a "
                            "class token and a square",
                            positions + 1),
                "check that the file is the vision tower of this model");
  return side;
}

void join_biases(Gather& gather, int64_t blocks) {
  for (int64_t i = 0; i < blocks; ++i) {
    const auto path = fmt::format("{}{}.self_attn.", kLayers, i);
    const auto q = path + "q_bias", v = path + "v_bias";
    if (!gather.has(q) && !gather.has(v)) continue;
    const auto width = gather.shape(q, 1)[0];
    if (gather.shape(v, 1)[0] != width)
      throw Error(kPartsPlace,
                  fmt::format("the biases of q and v in block {} have different sizes", i),
                  "check that the file is the vision tower of this model");
    // Keys have no bias: it would add the same value to all scores of a query.
    gather.replace({q, v}, path + "qkv.bias", {3 * width}, [](const auto& from) {
      return at::cat({from[0], at::zeros_like(from[0]), from[1]});
    });
  }
}

void leave_out_blocks(Gather& gather, const ConvertOptions& options, Conversion& result) {
  const auto there = gather.count(kLayers);
  const auto released = there == 40 && gather.shape(kPatches, 4)[0] == 1408;
  const auto run = options.vision_blocks.value_or(released ? 39 : there);
  if (run < 1 || run > there)
    throw Error(
        kPartsPlace,
        fmt::format("the vision tower has {} blocks, but --vision-blocks is {}", there, run),
        "use a smaller number, or omit --vision-blocks");
  if (run == there) return;
  result.notes.push_back(
      fmt::format("only the first {} of the vision tower's {} blocks run", run, there));
  for (const auto& info : gather.listing()) {
    const auto rest = without_prefix(info.name, kLayers);
    if (rest && std::stoll(*rest) >= run) gather.drop(info.name, "a block that does not run");
  }
}

void resize_positions(Gather& gather, const ConvertOptions& options, Conversion& result) {
  if (!options.image_size) return;
  const auto patch = gather.shape(kPatches, 4)[2], before = side_of_grid(gather);
  const auto after = *options.image_size / std::max<int64_t>(patch, 1);
  if (after < 1 || *options.image_size % patch != 0)
    throw Error(kPartsPlace,
                fmt::format("the image size {} is not a multiple of the patch size {}",
                            *options.image_size, patch),
                "correct --image-size");
  if (after == before) return;
  const auto width = gather.shape(kPositions, 3)[2];
  result.notes.push_back(fmt::format(
      "position embeddings were interpolated (bicubic) from {0} x {0} to {1} x {1} patches", before,
      after));
  gather.replace({kPositions}, kPositions, {1, 1 + after * after, width}, [=](const auto& from) {
    const auto all = from[0].to(at::kFloat);
    auto grid = all.slice(1, 1).reshape({1, before, before, width}).permute({0, 3, 1, 2});
    grid = at::upsample_bicubic2d(grid, {after, after}, /*align_corners=*/false);
    grid = grid.permute({0, 2, 3, 1}).reshape({1, after * after, width});
    return at::cat({all.slice(1, 0, 1), grid}, 1);
  });
}

int64_t heads(const std::optional<int64_t>& asked, int64_t hidden, int64_t width,
              const char* option) {
  const auto heads = asked.value_or(hidden % width == 0 ? hidden / width : 0);
  if (heads < 1 || hidden % heads != 0)
    throw Error(
        kPartsPlace,
        asked ? fmt::format("{} heads do not divide the hidden size {}", heads, hidden)
              : fmt::format("the file does not contain the number of heads for the hidden size {}",
                            hidden),
        fmt::format("set the number of heads with {}", option));
  return heads;
}

}  // namespace

Checkpoint open_weights(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return Checkpoint::open(path);
  if (fs::path(path).extension() == ".safetensors")
    return Checkpoint::of(SafetensorsFile::open(path));
  return Checkpoint::of(TorchFile::open(path, {"model", "state_dict", "module"}));
}

void take_vision_tower(Gather& gather, const Checkpoint& checkpoint, const std::string& file,
                       const std::string& vit, const ConvertOptions& options, Conversion& result) {
  bool contained = false;
  for (const auto& name : checkpoint.names())
    contained |= without_prefix(name, "visual_encoder.").has_value();
  if (contained && !vit.empty())
    throw Error(kPartsPlace, fmt::format("'{}' contains a vision tower (visual_encoder.)", file),
                "omit --vit, because the vision tower of the checkpoint was trained further");
  if (!contained && vit.empty())
    throw Error(kPartsPlace, fmt::format("'{}' has no vision tower (visual_encoder.)", file),
                "set its file with --vit, for example eva_vit_g.pth");
  if (!vit.empty()) {
    gather.take(open_weights(vit), vit, lavis_vision_name);
    gather.shape(kPatches, 4);  // throws if the file has no vision tower
  }
  leave_out_blocks(gather, options, result);
  join_biases(gather, gather.count(kLayers));
  resize_positions(gather, options, result);
}

json lavis_vision_config(const Gather& gather, const ConvertOptions& options) {
  const auto& patches = gather.shape(kPatches, 4);
  const auto hidden = patches[0];
  return {{"model_type", "blip_2_vision_model"},
          {"hidden_size", hidden},
          {"intermediate_size", gather.shape(kLayers + "0.mlp.fc1.weight", 2)[0]},
          {"num_hidden_layers", gather.count(kLayers)},
          {"num_attention_heads", heads(options.vision_heads, hidden, 88, "--vision-heads")},
          {"image_size", side_of_grid(gather) * patches[2]},
          {"patch_size", patches[2]},
          {"hidden_act", "gelu"},
          {"layer_norm_eps", 1e-6},
          {"post_layernorm_eps", 1e-5},  // ln_vision is a LayerNorm of PyTorch with the default eps
          {"qkv_bias", gather.has(kLayers + "0.self_attn.qkv.bias")}};
}

json lavis_qformer_config(const Gather& gather, const ConvertOptions& options) {
  const std::string path = "qformer.encoder.layer.";
  const auto layers = gather.count(path);
  const auto hidden = gather.shape("query_tokens", 3)[2];
  int64_t frequency = std::max<int64_t>(layers, 1);
  for (int64_t i = layers - 1; i > 0; --i)
    if (gather.has(fmt::format("{}{}.crossattention.attention.query.weight", path, i)))
      frequency = i;
  return {{"model_type", "blip_2_qformer"},
          {"hidden_size", hidden},
          {"intermediate_size", gather.shape(path + "0.intermediate_query.dense.weight", 2)[0]},
          {"num_hidden_layers", layers},
          {"num_attention_heads", heads(options.qformer_heads, hidden, 64, "--qformer-heads")},
          {"encoder_hidden_size", gather.shape(kPatches, 4)[0]},
          {"cross_attention_frequency", frequency},
          {"hidden_act", "gelu"},
          {"layer_norm_eps", 1e-12}};
}

LanguageFolder LanguageFolder::open(const std::string& path, const std::string& model_type) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored))
    throw Error(kPartsPlace, fmt::format("'{}' is not a folder", path),
                "use a folder of the language model (config.json, weights, tokenizer)");
  LanguageFolder folder;
  folder.path = path;
  const auto config = (fs::path(path) / "config.json").string();
  folder.config = read_json_object(config);
  const auto type = json_get<std::string>(folder.config, "model_type", config);
  if (type != model_type)
    throw Error(kPartsPlace,
                fmt::format("'{}' is a model of type `{}`, not `{}`", path, type, model_type),
                "use the language model that the checkpoint was trained with");
  folder.tokenizer = Tokenizer::load(path);
  const auto vocabulary = json_get<int64_t>(folder.config, "vocab_size", config);
  if (folder.tokenizer->size() > vocabulary)
    throw Error(kPartsPlace,
                fmt::format("the tokenizer of '{}' has {} tokens, but the model has only {}", path,
                            folder.tokenizer->size(), vocabulary),
                "the tokenizer and the model must belong together");
  return folder;
}

void write_model_folder(const std::string& output, const json& config,
                        const LanguageFolder& language, const Gather& gather,
                        const ConvertOptions& options, Conversion& result) {
  ModelFolder folder;
  folder.config = config;
  folder.preprocessor = square_preprocessor(config.at("vision_config").at("image_size"));
  folder.tokenizer = language.path;
  folder.tensors = gather.planned();
  result.bytes = folder.bytes();
  result.tensors = folder.tensors.size();
  result.ignored = gather.ignored();
  folder.write(output, options.write);
}

}  // namespace emend
