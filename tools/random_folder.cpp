// emend-random-folder: a model's folder of a true shape with random weights, to measure what the
// true one costs where it cannot be had.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "io/error.h"
#include "io/progress.h"
#include "models/architecture.h"
#include "models/convert/model_folder.h"
#include "models/random_weights.h"
#include "text/tokenizer.h"

namespace emend {
namespace {

using nlohmann::json;

const json kEvaVitG = {{"model_type", "blip_2_vision_model"}};  // transformers' defaults are it
const json kQFormer = {{"model_type", "blip_2_qformer"}};

json opt(int64_t hidden, int64_t layers, int64_t heads) {
  return {{"model_type", "opt"},          {"vocab_size", 50272},
          {"hidden_size", hidden},        {"word_embed_proj_dim", hidden},
          {"ffn_dim", 4 * hidden},        {"num_hidden_layers", layers},
          {"num_attention_heads", heads}, {"max_position_embeddings", 2048}};
}

json blip2(const json& text) {
  return {{"architectures", {"Blip2ForConditionalGeneration"}},
          {"model_type", "blip-2"},
          {"num_query_tokens", 32},
          {"vision_config", kEvaVitG},
          {"qformer_config", kQFormer},
          {"text_config", text}};
}

// By the name that the command line knows.
const std::map<std::string, json>& configs() {
  static const std::map<std::string, json> all{
      {"blip2-opt-2.7b", blip2(opt(2560, 32, 32))},
      {"blip2-opt-6.7b", blip2(opt(4096, 32, 32))},
  };
  return all;
}

// What the model takes, on weights that use no memory.
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
          const std::string& output, uint64_t seed) {
  ModelFolder folder;
  folder.config = configs().at(name);
  folder.tokenizer = tokenizer;
  // Stops and placeholders are the tokenizer's, which may be smaller than the model's own.
  const auto tokens = Tokenizer::load(tokenizer);
  if (auto stop = tokens->id("</s>")) folder.config["text_config"]["eos_token_id"] = *stop;
  if (folder.config.contains("image_token_index"))
    folder.config["image_token_index"] = tokens->id("<image>").value_or(0);
  folder.preprocessor =
      square_preprocessor(folder.config["vision_config"].value("image_size", int64_t{224}));

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
  CLI::App app{"Writes a model's folder of a true shape with random weights."};
  std::string name, dtype = "bf16", output;
  std::string tokenizer = EMEND_SOURCE_DIR "/models/scenes-blip2";
  uint64_t seed = 0;
  std::vector<std::string> names;
  for (const auto& [known, config] : configs()) names.push_back(known);
  app.add_option("--architecture", name, "whose shape")->required()->check(CLI::IsMember(names));
  app.add_option("--dtype", dtype)
      ->check(CLI::IsMember({"bf16", "fp16", "fp32"}))
      ->capture_default_str();
  app.add_option("--tokenizer", tokenizer,
                 "a folder with a tokenizer; default: the bundled model's small one");
  app.add_option("--seed", seed)->capture_default_str();
  app.add_option("-o,--output", output, "the folder to make")->required();
  CLI11_PARSE(app, argc, argv);
  make(name,
       dtype == "bf16"   ? at::kBFloat16
       : dtype == "fp16" ? at::kHalf
                         : at::kFloat,
       tokenizer, output, seed);
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
