#include "models/architectures/qformer/minigpt4.h"

#include <fmt/format.h>

#include "io/error.h"
#include "models/config/minigpt4_config.h"
#include "models/convert/convert.h"
#include "models/convert/lavis_names.h"

namespace emend {
namespace {

constexpr const char* kMinigpt4Place = "models::convert";

// Token sequences of "###" at the start of an answer or after a space, and after other characters.
// Both end an answer.
std::vector<std::vector<int64_t>> stop_sequences(const Tokenizer& tokenizer) {
  auto first = tokenizer.encode("###", /*special=*/false);
  const auto lead = tokenizer.encode("\n", /*special=*/false);
  auto behind = tokenizer.encode("\n###", /*special=*/false);
  if (first.empty() || behind.size() <= lead.size() ||
      !std::equal(lead.begin(), lead.end(), behind.begin()))
    throw Error(kMinigpt4Place, "the tokenizer has no tokens for ###",
                "use a Vicuna folder, which has Llama's tokenizer");
  behind.erase(behind.begin(), behind.begin() + static_cast<std::ptrdiff_t>(lead.size()));
  if (first == behind) return {first};
  return {first, behind};
}

// Converts the names of a Llama as transformers saved it.
std::optional<std::string> llama_name(const std::string& name) {
  if (name == "lm_head.weight" || name.starts_with("model.")) return "language_model." + name;
  return std::nullopt;
}

}  // namespace

Conversion convert_minigpt4(const MiniGPT4Files& files, const std::string& output,
                            const ConvertOptions& options) {
  Conversion result;
  const auto language = LanguageFolder::open(files.language, "llama");
  const auto qformer = open_weights(files.qformer);

  Gather gather(options.dtype);
  gather.take(qformer, files.qformer, [](const std::string& name) {
    if (auto rest = without_prefix(name, "visual_encoder.")) return lavis_vision_name(*rest);
    return lavis_connector_name(name);
  });
  take_vision_tower(gather, qformer, files.qformer, files.vit, options, result);
  // MiniGPT-4 would load all tensors of this file, so a file with other tensors is rejected.
  gather.take(open_weights(files.projection), files.projection, [&](const std::string& name) {
    if (auto rest = without_prefix(name, "llama_proj."))
      return std::optional("language_projection." + *rest);
    throw Error(
        kMinigpt4Place,
        fmt::format("'{}' has tensors other than the projection (llama_proj.): '{}'",
                    files.projection, name),
        "only MiniGPT-4's first version is implemented, in which only the projection was trained");
  });
  gather.take(open_weights(files.language), files.language, llama_name);

  nlohmann::json config = {{"architectures", {"MiniGPT4ForConditionalGeneration"}},
                           {"model_type", "minigpt4"},
                           {"num_query_tokens", gather.shape("query_tokens", 3)[1]},
                           {"stop_sequences", stop_sequences(*language.tokenizer)},
                           {"vision_config", lavis_vision_config(gather, options)},
                           {"qformer_config", lavis_qformer_config(gather, options)},
                           {"text_config", language.config}};
  // The default prompts are written to the folder.
  const auto layout = MiniGPT4Config::parse(config).layout;
  config["prompt"] = {{"with_picture", layout.with_picture},
                      {"without_picture", layout.without_picture},
                      {"bare_with_picture", layout.bare_with_picture},
                      {"bare_text_bos", layout.bare_text_bos}};

  // The constructor of the model reports missing tensors and wrong shapes before anything is
  // written.
  Weights weights(gather.listing(), at::kFloat);
  minigpt4_architecture(config).make_model(weights);
  write_model_folder(output, config, language, gather, options, result);
  return result;
}

}  // namespace emend
