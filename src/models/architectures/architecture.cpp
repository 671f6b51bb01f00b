#include "models/architectures/architecture.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "io/error.h"
#include "io/json/json.h"
#include "models/architectures/llama_lm.h"
#include "models/architectures/llava.h"
#include "models/architectures/qformer/blip2.h"
#include "models/architectures/qformer/minigpt4.h"
#include "models/architectures/qwen_vl.h"
#include "models/architectures/resnet_llama.h"
#include "models/architectures/smolvlm.h"
#include "models/config/json_fields.h"

namespace emend {
namespace {

struct Known {
  const char* architecture;
  const char* model_type;
  Architecture (*make)(const nlohmann::json& config);
};

constexpr Known kKnown[] = {
    {"LlamaForCausalLM", "llama", llama_architecture},
    {"MistralForCausalLM", "mistral", llama_architecture},
    {"Qwen2ForCausalLM", "qwen2", llama_architecture},
    {"Qwen3ForCausalLM", "qwen3", llama_architecture},
    {"LlavaForConditionalGeneration", "llava", llava_architecture},
    {"Qwen2VLForConditionalGeneration", "qwen2_vl", qwen_vl_architecture},
    {"Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl", qwen_vl_architecture},
    {"Qwen3VLForConditionalGeneration", "qwen3_vl", qwen_vl_architecture},
    {"LlavaNextForConditionalGeneration", "llava_next", llava_architecture},
    {"LlavaOnevisionForConditionalGeneration", "llava_onevision", llava_architecture},
    {"Blip2ForConditionalGeneration", "blip-2", blip2_architecture},
    {"MiniGPT4ForConditionalGeneration", "minigpt4", minigpt4_architecture},
    {"SmolVLMForConditionalGeneration", "smolvlm", smolvlm_architecture},
    {"Idefics3ForConditionalGeneration", "idefics3", smolvlm_architecture},
    {"ResNetLlamaForConditionalGeneration", "resnet_llama", resnet_llama_architecture},
};

std::string known_names() {
  std::string names;
  for (const auto& known : kKnown)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", known.architecture);
  return names;
}

}  // namespace

Architecture architecture_of_folder(const std::string& folder) {
  const auto path = (std::filesystem::path(folder) / "config.json").string();
  const auto config = read_json_object(path);
  try {
    return architecture_of(config);
  } catch (const Error& error) {
    // Parsers do not know the folder: "text_config.vocab_size is" or "config.json.prompt is".
    const auto parts = error_parts(error.what());
    const auto file = parts.problem.starts_with("config.json")
                          ? path.substr(0, path.size() - std::string("config.json").size())
                          : path + ": ";
    throw Error("models::config", file + parts.problem, parts.hint);
  }
}

Architecture architecture_of(const nlohmann::json& config) {
  const JsonFields top("config.json", config);
  const auto architecture = top.first_string("architectures");
  const auto type = top.string("model_type");
  for (const auto& known : kKnown)
    if (architecture ? *architecture == known.architecture : type == known.model_type)
      return known.make(config);
  if (architecture)
    throw Error("models::config",
                fmt::format("config.json: architectures `{}` is not implemented", *architecture),
                "implemented: " + known_names());
  if (type)
    throw Error("models::config",
                fmt::format("config.json: model_type `{}` is not implemented", *type),
                "implemented: " + known_names());
  throw Error("models::config", "config.json has no architectures and no model_type",
              "use a Hugging Face model folder; implemented: " + known_names());
}

}  // namespace emend
