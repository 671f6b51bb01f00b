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
  if (k == 1) return "the top-1 token of every position";
  return "the best " + value_text(k) + " tokens of every position, rank by rank";
}

std::string at_most(const json& tokens) { return "at most " + value_text(tokens) + " tokens"; }

// The description of a value of a choice; an unknown value is returned unchanged.
std::string value_words(const json& value) {
  static const std::map<std::string, const char*> words = {
      {"forced", "teacher-forced: the target is part of the input, and its tokens are judged"},
      {"exact_match", "exact match: every token of the answer must be the most likely one"},
      {"token_accuracy",
       "token accuracy: the share of the answer's tokens that are the most likely ones"},
      {"lowest_token_id", "equal scores rank by the lowest token ID"},
      {"softmax", "the softmax of the logits"},
      {"logits", "the logits"},
      {"none", "none where pictures come before the text (BLIP-2)"},
      {"model", "as in the model's processor"},
      {"always_added", "always added, also before an answer that begins with a space"},
      {"unless_it_begins_with_a_space", "added unless the answer begins with a space"},
      {"unless_it_begins_with_a_space_or_newline",
       "added unless the answer begins with a space or a newline"},
      {"auto", "the stored dtype of the model"},
      {"present", "present"},
      {"absent", "absent"},
      {"as_released", "as in the model's processor"},
      {"softmax_float16", "softmax rounded to float16, as in half-precision models"},
      {"softmax_float32", "softmax in float32"},
      {"logits_float32", "the logits in float32"},
      {"equal_lengths", "an error: lengths must be equal"},
      {"last_positions", "the last positions are compared"},
      {"best_tokens_while_forced", "top-1 tokens under teacher forcing"}};
  auto found = value.is_string() ? words.find(value.get<std::string>()) : words.end();
  return found == words.end() ? value_text(value) : found->second;
}

// A choice that depends on the model: {"requested", "used", "reason"}; the last two are optional.
std::string outcome_words(const json& value) {
  if (!value.is_object() || !value.contains("requested")) return value_text(value);
  auto words = value_words(value["requested"]);
  if (value.contains("used") && value["used"] != value["requested"])
    words += "; used: " + value_words(value["used"]);
  if (value.contains("reason")) words += " (" + value_text(value["reason"]) + ")";
  return words;
}

std::string judged(const json& value) {
  return value == "generated" ? "on the generated answer; the model never sees the target"
                              : value_words(value);
}

struct Choice {
  const char* key;
  const char* name;
  std::string (*words)(const json& value);
};
constexpr Choice kChoices[] = {
    {"name", "Name", value_text},
    {"exception_for", "Exception for", value_text},
    {"judged", "Judged", judged},
    {"accuracy", "Accuracy", value_words},
    {"accuracy_on", "Accuracy computed on", value_words},
    {"compared", "Comparison of answers", value_text},
    {"locality", "Locality", value_text},
    {"question_template", "Prompt of questions", value_text},
    {"image_locality_template", "Prompt of M-Locality questions", value_text},
    {"text_locality_template", "Prompt of T-Locality questions", value_text},
    {"bare_prompts", "Prompts without template", listed},
    {"bos", "BOS before a text", outcome_words},
    {"answer_space", "Space before an answer", value_words},
    {"text_k", "T-Locality compares", best_tokens},
    {"image_k", "M-Locality compares", best_tokens},
    {"ranked_on", "Ranked on", value_words},
    {"ranking_dtype", "Ranking dtype", outcome_words},
    {"ties", "Ties", value_words},
    {"alignment", "If the request is longer after the edit", value_words},
    {"answers", "Answers shown", value_words},
    {"decoding", "Decoding", value_text},
    {"max_new_tokens", "Length of generated answers", at_most}};

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
