#include "models/config/minigpt4_config.h"

#include <fmt/format.h>

#include "io/error.h"

namespace emend {
namespace {

constexpr const char* kMinigpt4ConfigPlace = "models::config";

// For example [[835], [2277, 29937]].
std::vector<std::vector<int64_t>> config_stop_sequences(const nlohmann::json& json,
                                                        int64_t vocabulary) {
  std::vector<std::vector<int64_t>> stop_sequences;
  const auto found = json.find("stop_sequences");
  if (found == json.end() || found->is_null()) return stop_sequences;
  bool good = found->is_array() && found->size() <= 64;
  for (const auto& sequence : good ? *found : nlohmann::json::array()) {
    good = good && sequence.is_array() && !sequence.empty() && sequence.size() <= 64;
    if (!good) break;
    stop_sequences.emplace_back();
    for (const auto& id : sequence) {
      good = good && id.is_number_integer() && id.get<int64_t>() >= 0 &&
             id.get<int64_t>() < vocabulary;
      if (good) stop_sequences.back().push_back(id.get<int64_t>());
    }
  }
  if (!good)
    throw Error(kMinigpt4ConfigPlace,
                "config.json: stop_sequences is not a list of lists of token ids",
                "write each stop sequence as a list of token ids");
  return stop_sequences;
}

// A prompt template, which contains {} for the question and optionally a placeholder for the
// picture.
std::string pattern(const JsonFields& json, const char* name, const char* absent, bool picture,
                    const std::string& placeholder) {
  auto text = json.string(name).value_or(absent);
  int64_t pictures = 0;
  for (auto at = text.find(placeholder); at != text.npos; at = text.find(placeholder, at + 1))
    ++pictures;
  if (text.find("{}") == text.npos || pictures != (picture ? 1 : 0))
    throw Error(kMinigpt4ConfigPlace,
                fmt::format("config.json: prompt.{} is `{:.200}`", name, text),
                fmt::format("use {{}} once for the question, and {} {}", placeholder,
                            picture ? "once" : "nowhere"));
  return text;
}

}  // namespace

MiniGPT4Config MiniGPT4Config::parse(const nlohmann::json& json) {
  const JsonFields top("config.json", json);
  top.expect("model_type", "minigpt4");
  top.expect_absent("quantization_config");
  MiniGPT4Config c;
  c.vision = Blip2VisionConfig::parse(top.object("vision_config"));
  c.qformer = QFormerConfig::parse(top.object("qformer_config"), c.vision.hidden);
  const auto text = top.object("text_config");
  c.text = LlamaConfig::parse(text);
  c.queries = top.integer("num_query_tokens", c.queries, 1, kMaxDimension);
  c.vision.validate();
  c.qformer.validate();

  auto& layout = c.layout;
  layout.num_image_tokens = c.queries;
  layout.placeholder = "<ImageHere>";
  layout.text_separator = std::string(1, '\x1e');
  const auto prompt = top.object("prompt");
  prompt.expect_only({"with_picture", "without_picture", "bare_with_picture", "bare_text_bos"});
  layout.with_picture =
      pattern(prompt, "with_picture", "###Human: <Img><ImageHere></Img> {} ###Assistant:", true,
              layout.placeholder);
  layout.without_picture =
      pattern(prompt, "without_picture", "###Human: {} ###Assistant:", false, layout.placeholder);
  layout.bare_with_picture =
      pattern(prompt, "bare_with_picture", "###Human: <Img><ImageHere></Img> \x1e{}", true,
              layout.placeholder);
  layout.bare_text_bos = prompt.boolean("bare_text_bos", false);
  layout.stop_tokens = stop_tokens({text});
  layout.stop_sequences = config_stop_sequences(json, c.text.vocabulary);
  layout.generation_config_stops = false;
  // The chat template of the language model does not support pictures.
  layout.chat_template = false;
  return c;
}

std::string MiniGPT4Config::canonical() const {
  return fmt::format("minigpt4;{}|{}|{}|{}", queries, vision.canonical(), qformer.canonical(),
                     text.canonical());
}

}  // namespace emend
