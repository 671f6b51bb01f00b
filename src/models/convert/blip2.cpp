#include "models/architectures/qformer/blip2.h"

#include <fmt/format.h>

#include "io/error.h"
#include "models/convert/convert.h"
#include "models/convert/lavis_names.h"

namespace emend {
namespace {

constexpr const char* kBlip2Place = "models::convert";
const std::string kHead = "language_model.lm_head.weight";
const std::string kTokens = "language_model.model.decoder.embed_tokens.weight";

// Converts the names of OPT as transformers saved it, with or without its head.
std::optional<std::string> opt_name(const std::string& name) {
  if (name == "lm_head.weight") return kHead;
  auto rest = without_prefix(name, "model.decoder.");
  if (!rest) rest = without_prefix(name, "decoder.");
  if (!rest || *rest == "version") return std::nullopt;
  return "language_model.model.decoder." + *rest;
}

// OPT's head is tied to the embeddings; some files contain both.
void drop_tied_head(Gather& gather, const nlohmann::json& config) {
  if (!config.value("tie_word_embeddings", true) || !gather.has(kHead) || !gather.has(kTokens))
    return;
  if (gather.shape(kHead, 2) != gather.shape(kTokens, 2) ||
      !at::equal(gather.tensor(kHead), gather.tensor(kTokens)))
    throw Error(kBlip2Place,
                "lm_head.weight differs from embed_tokens.weight, but config.json ties them",
                "set tie_word_embeddings to false in its config.json if the head is not tied");
  gather.drop(kHead, "a copy of the embeddings");
}

}  // namespace

Conversion convert_blip2(const Blip2Files& files, const std::string& output,
                         const ConvertOptions& options) {
  Conversion result;
  const auto checkpoint = open_weights(files.checkpoint);
  const auto language = LanguageFolder::open(files.language, "opt");
  bool has_language = false;
  for (const auto& name : checkpoint.names())
    has_language |= without_prefix(name, "opt_model.").has_value();

  Gather gather(options.dtype);
  gather.take(checkpoint, files.checkpoint, [](const std::string& name) {
    if (auto rest = without_prefix(name, "visual_encoder.")) return lavis_vision_name(*rest);
    if (auto rest = without_prefix(name, "opt_model.")) return opt_name(*rest);
    if (auto rest = without_prefix(name, "opt_proj."))
      return std::optional("language_projection." + *rest);
    return lavis_connector_name(name);
  });
  gather.shape("language_projection.weight", 2);  // exists only in BLIP-2 with OPT
  take_vision_tower(gather, checkpoint, files.checkpoint, files.vit, options, result);
  if (has_language)
    result.notes.emplace_back("the language model's weights are from the checkpoint (opt_model.)");
  else
    gather.take(open_weights(files.language), files.language, opt_name);
  drop_tied_head(gather, language.config);

  nlohmann::json config = {{"architectures", {"Blip2ForConditionalGeneration"}},
                           {"model_type", "blip-2"},
                           {"num_query_tokens", gather.shape("query_tokens", 3)[1]},
                           {"use_decoder_only_language_model", true},
                           {"vision_config", lavis_vision_config(gather, options)},
                           {"qformer_config", lavis_qformer_config(gather, options)},
                           {"text_config", language.config}};
  // In LAVIS, an answer ends at a line break.
  const auto stop = language.tokenizer->encode("\n", /*special=*/false);
  if (stop.empty())
    throw Error(kBlip2Place,
                fmt::format("the tokenizer of '{}' has no line break token", files.language),
                "use the tokenizer of OPT, which has one");
  config["text_config"]["eos_token_id"] = stop.front();

  // The constructor of the model reports missing tensors and wrong shapes before anything is
  // written.
  Weights weights(gather.listing(), at::kFloat);
  make_blip2(Blip2Config::parse(config), weights);
  write_model_folder(output, config, language, gather, options, result);
  return result;
}

}  // namespace emend
