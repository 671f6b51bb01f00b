// emend-random-folder: writes a model folder of real shape with random weights, to measure its cost
// without the released weights.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "io/error.h"
#include "io/progress.h"
#include "models/architectures/architecture.h"
#include "models/convert/model_folder.h"
#include "models/core/loading/random_weights.h"
#include "text/tokenizer.h"

namespace emend {
namespace {

using nlohmann::json;

const json kEvaVitG = {{"model_type", "blip_2_vision_model"},
                       {"image_size", 224}};  // the defaults of transformers
const json kQFormer = {{"model_type", "blip_2_qformer"}};

json opt(int64_t hidden, int64_t layers, int64_t heads) {
  return {{"model_type", "opt"},          {"vocab_size", 50272},
          {"hidden_size", hidden},        {"word_embed_proj_dim", hidden},
          {"ffn_dim", 4 * hidden},        {"num_hidden_layers", layers},
          {"num_attention_heads", heads}, {"max_position_embeddings", 2048}};
}

json llama_7b() {
  return {{"model_type", "llama"}};  // the defaults of transformers
}

json blip2(const json& text) {
  return {{"architectures", {"Blip2ForConditionalGeneration"}},
          {"model_type", "blip-2"},
          {"num_query_tokens", 32},
          {"vision_config", kEvaVitG},
          {"qformer_config", kQFormer},
          {"text_config", text}};
}

json minigpt4(const json& text) {
  auto vision = kEvaVitG;
  vision["post_layernorm_eps"] = 1e-5;
  return {{"architectures", {"MiniGPT4ForConditionalGeneration"}},
          {"model_type", "minigpt4"},
          {"num_query_tokens", 32},
          {"vision_config", vision},
          {"qformer_config", kQFormer},
          {"text_config", text}};
}

json llava(const json& text) {
  return {{"architectures", {"LlavaForConditionalGeneration"}},
          {"model_type", "llava"},
          {"image_token_index", 0},  // replaced by the tokenizer's below
          {"vision_config",
           {{"model_type", "clip_vision_model"},
            {"hidden_size", 1024},
            {"intermediate_size", 4096},
            {"num_hidden_layers", 24},
            {"num_attention_heads", 16},
            {"image_size", 336},
            {"patch_size", 14}}},
          {"text_config", text}};
}

json smolvlm_256m() {
  return {{"architectures", {"Idefics3ForConditionalGeneration"}},
          {"model_type", "idefics3"},
          {"image_token_id", 0},  // replaced by the tokenizer's below
          {"scale_factor", 4},
          {"vision_config",
           {{"model_type", "idefics3_vision"},
            {"hidden_size", 768},
            {"intermediate_size", 3072},
            {"num_hidden_layers", 12},
            {"num_attention_heads", 12},
            {"image_size", 512},
            {"patch_size", 16}}},
          {"text_config",
           {{"model_type", "llama"},
            {"vocab_size", 49280},
            {"hidden_size", 576},
            {"intermediate_size", 1536},
            {"num_hidden_layers", 30},
            {"num_attention_heads", 9},
            {"num_key_value_heads", 3},
            {"max_position_embeddings", 8192},
            {"rms_norm_eps", 1e-5},
            {"rope_theta", 100000}}}};
}

json resnet_smollm2_135m() {
  return {{"architectures", {"ResNetLlamaForConditionalGeneration"}},
          {"model_type", "resnet_llama"},
          {"vision_config",
           {{"model_type", "resnet"}, {"downsample_in_bottleneck", true}, {"image_size", 224}}},
          {"text_config",
           {{"model_type", "llama"},
            {"vocab_size", 49152},
            {"hidden_size", 576},
            {"intermediate_size", 1536},
            {"num_hidden_layers", 30},
            {"num_attention_heads", 9},
            {"num_key_value_heads", 3},
            {"max_position_embeddings", 8192},
            {"rms_norm_eps", 1e-5},
            {"rope_theta", 100000},
            {"tie_word_embeddings", true}}}};
}

// Qwen2-VL and Qwen2.5-VL have the fields of the text model at the top.
json qwen2_vl_2b() {
  return {{"architectures", {"Qwen2VLForConditionalGeneration"}},
          {"model_type", "qwen2_vl"},
          {"image_token_id", 0},  // replaced by the tokenizer's below
          {"vocab_size", 151936},
          {"hidden_size", 1536},
          {"intermediate_size", 8960},
          {"num_hidden_layers", 28},
          {"num_attention_heads", 12},
          {"num_key_value_heads", 2},
          {"rms_norm_eps", 1e-6},
          {"tie_word_embeddings", true},
          {"vision_config", {{"hidden_size", 1536}}}};
}

json qwen2_5_vl_3b() {
  return {{"architectures", {"Qwen2_5_VLForConditionalGeneration"}},
          {"model_type", "qwen2_5_vl"},
          {"image_token_id", 0},  // replaced by the tokenizer's below
          {"vocab_size", 151936},
          {"hidden_size", 2048},
          {"intermediate_size", 11008},
          {"num_hidden_layers", 36},
          {"num_attention_heads", 16},
          {"num_key_value_heads", 2},
          {"max_position_embeddings", 128000},
          {"rms_norm_eps", 1e-6},
          {"tie_word_embeddings", true},
          {"vision_config", {{"hidden_size", 1280}, {"out_hidden_size", 2048}}}};
}

json qwen3_vl_2b() {
  return {{"architectures", {"Qwen3VLForConditionalGeneration"}},
          {"model_type", "qwen3_vl"},
          {"image_token_id", 0},  // replaced by the tokenizer's below
          {"tie_word_embeddings", true},
          {"text_config",
           {{"model_type", "qwen3_vl_text"},
            {"vocab_size", 151936},
            {"hidden_size", 2048},
            {"intermediate_size", 6144},
            {"num_hidden_layers", 28},
            {"num_attention_heads", 16},
            {"num_key_value_heads", 8},
            {"max_position_embeddings", 262144},
            {"rope_theta", 5000000}}},
          {"vision_config",
           {{"depth", 24},
            {"hidden_size", 1024},
            {"intermediate_size", 4096},
            {"out_hidden_size", 2048},
            {"deepstack_visual_indexes", {5, 11, 17}}}}};
}

// The shapes, by the names of --architecture.
const std::map<std::string, json>& configs() {
  static const std::map<std::string, json> all{
      {"blip2-opt-2.7b", blip2(opt(2560, 32, 32))},
      {"blip2-opt-6.7b", blip2(opt(4096, 32, 32))},
      {"llava-1.5-7b", llava(llama_7b())},
      {"minigpt4-7b", minigpt4(llama_7b())},
      {"qwen2-vl-2b", qwen2_vl_2b()},
      {"qwen2.5-vl-3b", qwen2_5_vl_3b()},
      {"qwen3-vl-2b", qwen3_vl_2b()},
      {"resnet-smollm2-135m", resnet_smollm2_135m()},
      {"smolvlm-256m", smolvlm_256m()},
  };
  return all;
}

// The tensors of the model, created with weights that use no memory.
std::vector<WeightInfo> listing(const Architecture& architecture, at::ScalarType dtype) {
  std::vector<WeightInfo> listing;
  const auto zero = at::zeros({1}, dtype);
  Weights weights(
      [&](const std::string& name, at::IntArrayRef shape) {
        listing.push_back({name, shape.vec(), dtype});
        return zero.view(std::vector<int64_t>(shape.size(), 1)).expand(shape);
      },
      dtype);
  architecture.make_model(weights);
  return listing;
}

void make(const std::string& name, at::ScalarType dtype, const std::string& tokenizer,
          const std::string& output, uint64_t seed, std::optional<int64_t> image_size) {
  ModelFolder folder;
  folder.config = configs().at(name);
  folder.tokenizer = tokenizer;
  const bool any_size = folder.config["model_type"].get<std::string>().starts_with("qwen");
  if (any_size && image_size)
    throw Error("tools::random_folder", name + " reads pictures of any size", "omit --image-size");
  json side;
  if (!any_size) {
    auto& configured = folder.config["vision_config"]["image_size"];
    if (image_size) configured = *image_size;
    side = configured;
  }
  // Stop tokens and placeholders are those of the tokenizer, which may be smaller than the model's.
  const auto tokens = Tokenizer::load(tokenizer);
  auto& text = folder.config.contains("text_config") ? folder.config["text_config"] : folder.config;
  if (auto stop = tokens->id("</s>")) text["eos_token_id"] = *stop;
  for (const char* name : {"image_token_index", "image_token_id"})
    if (folder.config.contains(name)) folder.config[name] = tokens->id("<image>").value_or(0);
  if (any_size)
    folder.preprocessor = {{"image_processor_type", "Qwen2VLImageProcessor"},
                           {"patch_size", folder.config["model_type"] == "qwen3_vl" ? 16 : 14}};
  else
    folder.preprocessor = square_preprocessor(side);
  if (folder.config["model_type"] == "llava") {
    folder.preprocessor["image_processor_type"] = "CLIPImageProcessor";
    folder.preprocessor["size"] = {{"shortest_edge", side}};
    folder.preprocessor["do_center_crop"] = true;
    folder.preprocessor["crop_size"] = {{"height", side}, {"width", side}};
  }
  if (folder.config["model_type"] == "resnet_llama")
    folder.preprocessor = {{"image_processor_type", "ResNetLlamaImageProcessor"},
                           {"size", {{"height", side}, {"width", side}}}};
  if (folder.config["model_type"] == "idefics3")
    folder.preprocessor = {{"image_processor_type", "Idefics3ImageProcessor"},
                           {"size", {{"longest_edge", 4 * side.get<int64_t>()}}},
                           {"max_image_size", {{"longest_edge", side}}}};

  const auto random = std::make_shared<RandomWeights>(dtype, seed);
  for (const auto& info : listing(architecture_of(folder.config), dtype))
    folder.tensors.push_back({info.name, dtype, info.shape,
                              [random, info] { return (*random)(info.name, info.shape); }});
  Progress progress("writing, MB", static_cast<int64_t>(folder.bytes() / 1'000'000));
  uint64_t done = 0;
  WriteOptions options;
  options.written = [&](uint64_t bytes) {
    done += bytes;
    progress.set(static_cast<int64_t>(done / 1'000'000));
  };
  folder.write(output, options);
}

int run(int argc, char** argv) {
  CLI::App app{"Writes a model folder of real shape with random weights."};
  std::string name, dtype = "bf16", output;
  std::string tokenizer = EMEND_SOURCE_DIR "/models/scenes-blip2";
  uint64_t seed = 0;
  std::optional<int64_t> image_size;
  std::vector<std::string> names;
  for (const auto& [known, config] : configs()) names.push_back(known);
  app.add_option("--architecture", name, "model whose shape is used")
      ->required()
      ->check(CLI::IsMember(names));
  app.add_option("--dtype", dtype)
      ->check(CLI::IsMember({"bf16", "fp16", "fp32"}))
      ->capture_default_str();
  app.add_option("--tokenizer", tokenizer,
                 "folder with a tokenizer; default: the small one of the bundled model");
  app.add_option("--image-size", image_size,
                 "image side in pixels; default: that of the released model")
      ->check(CLI::Range(14, 8192));
  app.add_option("--seed", seed)->capture_default_str();
  app.add_option("-o,--output", output, "folder to create")->required();
  CLI11_PARSE(app, argc, argv);
  make(name,
       dtype == "bf16"   ? at::kBFloat16
       : dtype == "fp16" ? at::kHalf
                         : at::kFloat,
       tokenizer, output, seed, image_size);
  std::cout << output << "\n";
  return 0;
}

}  // namespace
}  // namespace emend

int main(int argc, char** argv) {
  try {
    return emend::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
