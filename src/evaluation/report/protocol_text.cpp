#include <fmt/format.h>

#include <algorithm>

#include "evaluation/report/words.h"

namespace emend {
namespace {

using nlohmann::json;

std::string value_text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string listed(const json& values) {
  if (!values.is_array()) return value_text(values);
  std::vector<std::string> texts;
  for (const auto& value : values) texts.push_back(value_text(value));
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string best_tokens(const json& k) {
  if (k == 1) return "the best token of every position";
  return "the best " + value_text(k) + " tokens of every position, rank by rank";
}

std::string at_most(const json& tokens) { return "at most " + value_text(tokens) + " tokens"; }

// What a value of a choice means; a value that is not here is told as it is.
std::string value_words(const json& value) {
  static const std::map<std::string, const char*> words = {
      {"forced", "teacher-forced: the target is fed in and its tokens are judged"},
      {"exact_match", "exact match: every token of the answer has to be the most likely one"},
      {"token_accuracy",
       "token accuracy: the share of the answer's tokens that are the most likely"},
      {"lowest_token_id", "equal scores rank by the lowest token id"},
      {"softmax", "the softmax of the logits"},
      {"logits", "the logits"},
      {"none", "none where pictures come before the text (BLIP-2)"},
      {"model", "as the model's own processor does"},
      {"always_added", "always added, also to an answer that begins with one"},
      {"unless_it_begins_with_a_space", "added unless the answer begins with a space"},
      {"unless_it_begins_with_a_space_or_newline",
       "added unless the answer begins with a space or a newline"},
      {"auto", "what the model is stored in"},
      {"present", "there was one"},
      {"absent", "there was none"},
      {"as_released", "as the model's own processor does"},
      {"softmax_float16", "softmax rounded to float16, as the field's half-precision models do"},
      {"softmax_float32", "softmax in float32"},
      {"logits_float32", "the logits in float32"},
      {"equal_lengths", "an error: lengths have to be equal"},
      {"last_positions", "the last positions are compared"},
      {"best_tokens_while_forced", "the best tokens while the target is fed in"}};
  auto found = value.is_string() ? words.find(value.get<std::string>()) : words.end();
  return found == words.end() ? value_text(value) : found->second;
}

// A choice that depends on the model: {"asked", "used", "reason"}, the last two where known.
std::string outcome_words(const json& value) {
  if (!value.is_object() || !value.contains("asked")) return value_text(value);
  auto words = value_words(value["asked"]);
  if (value.contains("used") && value["used"] != value["asked"])
    words += "; used: " + value_words(value["used"]);
  if (value.contains("reason")) words += " (" + value_text(value["reason"]) + ")";
  return words;
}

std::string judged(const json& value) {
  return value == "generated" ? "on the answer that the model generates; it never sees the target"
                              : value_words(value);
}

struct Choice {
  const char* key;
  const char* name;
  std::string (*words)(const json& value);
};
constexpr Choice kChoices[] = {
    {"name", "Name", value_text},
    {"exception_for", "An exception for", value_text},
    {"judged", "Judged", judged},
    {"accuracy", "Counted as right", value_words},
    {"accuracy_on", "Accuracy is taken on", value_words},
    {"compared", "Answers are compared by", value_text},
    {"locality", "Locality asks for", value_text},
    {"question_template", "Questions are put as", value_text},
    {"image_locality_template", "M-Locality questions are put as", value_text},
    {"text_locality_template", "T-Locality questions are put as", value_text},
    {"bare_prompts", "Put as they are", listed},
    {"bos", "BOS in front of a text", outcome_words},
    {"answer_space", "The space in front of an answer", value_words},
    {"text_k", "T-Locality compares", best_tokens},
    {"image_k", "M-Locality compares", best_tokens},
    {"ranked_on", "Ranked on", value_words},
    {"ranking_dtype", "Ranked in", outcome_words},
    {"ties", "Ties", value_words},
    {"alignment", "When the request is longer afterwards", value_words},
    {"answers", "Answers shown", value_words},
    {"decoding", "Decoding", value_text},
    {"max_new_tokens", "Generated answers have", at_most}};

}  // namespace

std::vector<Fact> protocol_facts(const json& protocol) {
  std::vector<Fact> facts;
  for (const auto& choice : kChoices)
    if (protocol.contains(choice.key))
      facts.push_back({choice.name, choice.words(protocol[choice.key])});
  for (const auto& [key, value] : protocol.items())
    if (std::none_of(std::begin(kChoices), std::end(kChoices),
                     [&](const Choice& choice) { return key == choice.key; }))
      facts.push_back({key, value_text(value)});
  return facts;
}

}  // namespace emend
