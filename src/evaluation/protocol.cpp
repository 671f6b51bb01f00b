#include "evaluation/protocol.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"

namespace emend {

namespace {

Protocol bare(Protocol protocol) {
  protocol.question_template = protocol.image_locality_template = "{}";
  return protocol;
}

Protocol easyedit_trainer() {
  Protocol protocol;
  protocol.name = "easyedit-trainer";
  protocol.question_template = "{}";
  protocol.alignment = Protocol::Alignment::last_positions;
  return protocol;
}

Protocol easyedit_editor() {
  auto protocol = bare({});
  protocol.name = "easyedit-editor";
  protocol.accuracy = Protocol::Accuracy::token_accuracy;
  protocol.ranking = Ranking::logits_float32;
  protocol.alignment = Protocol::Alignment::last_positions;
  return protocol;
}

Protocol strict() {
  Protocol protocol;
  protocol.name = "strict";
  protocol.judged = Protocol::Judged::generated;
  return protocol;
}

const char* ranking_name(Ranking ranking) {
  switch (ranking) {
    case Ranking::logits_float32:
      return "logits_float32";
    case Ranking::softmax_float32:
      return "softmax_float32";
    case Ranking::softmax_float16:
      return "softmax_float16";
  }
  return "";
}

}  // namespace

Protocol make_protocol(const std::string& name) {
  if (name == "mmedit-2024") return {};
  if (name == "easyedit-trainer") return easyedit_trainer();
  if (name == "easyedit-editor") return easyedit_editor();
  if (name == "strict") return strict();
  throw Error("evaluation::protocol", fmt::format("there is no protocol '{}'", name),
              fmt::format("there are: {}", fmt::join(protocol_names(), ", ")));
}

std::vector<std::string> protocol_names() {
  return {"mmedit-2024", "easyedit-trainer", "easyedit-editor", "strict"};
}

Protocol for_editor(const Protocol& protocol, const std::string& editor) {
  if (editor != "ike") return protocol;
  auto own = protocol;
  if (protocol.name == "mmedit-2024") {
    own = bare(protocol);
    own.ranking = Ranking::softmax_float32;
    own.alignment = Protocol::Alignment::last_positions;
  } else if (protocol.name == "easyedit-editor") {
    own.accuracy = Protocol::Accuracy::exact_match;
  } else {
    return protocol;
  }
  own.exception_for = editor;
  return own;
}

Protocol for_suite(const Protocol& protocol, const Suite& suite) {
  if (!suite.completions()) return protocol;
  auto own = bare(protocol);
  own.answers_go_on = true;
  return own;
}

nlohmann::json to_json(const Protocol& protocol) {
  nlohmann::json json = {{"name", protocol.name},
                         {"question_template", protocol.question_template},
                         {"image_locality_template", protocol.image_locality_template},
                         {"text_locality_template", protocol.text_locality_template},
                         {"bare_prompts", protocol.captions},
                         {"ties", "lowest_token_id"}};
  if (!protocol.exception_for.empty()) json["exception_for"] = protocol.exception_for;
  const bool forced = protocol.judged == Protocol::Judged::forced;
  if (forced) {
    const bool exact = protocol.accuracy == Protocol::Accuracy::exact_match;
    const bool equal = protocol.alignment == Protocol::Alignment::equal_lengths;
    json["judged"] = "forced";
    json["accuracy"] = exact ? "exact_match" : "token_accuracy";
    json["text_k"] = protocol.text_k;
    json["image_k"] = protocol.image_k;
    json["ranked_on"] = ranking_name(protocol.ranking);
    json["accuracy_on"] = "logits_float32";
    json["alignment"] = equal ? "equal_lengths" : "last_positions";
    json["answers"] = protocol.generate_answers ? "generated" : "best_tokens_while_forced";
  } else {
    // What forcing would need says nothing here, so that nobody takes it for what was done.
    json["judged"] = "generated";
    json["compared"] = protocol.answers_go_on
                           ? "beginning of the answer: lower case, white space, whole words"
                           : "whole answer: lower case, white space, one final period";
    json["locality"] = "generated answer as before";
    json["answers"] = "generated";
  }
  if (protocol.answers_go_on) json["answers_go_on"] = true;
  if (!forced || protocol.generate_answers) {
    json["decoding"] = "greedy";
    json["max_new_tokens"] = protocol.max_new_tokens;
  }
  return json;
}

std::string fill_template(const std::string& pattern, const std::string& question) {
  auto slot = pattern.find("{}");
  if (slot == std::string::npos)
    throw Error("evaluation::protocol", fmt::format("the template '{}' has no {{}}", pattern),
                "write {} where the question goes: \"Question: {} Short answer:\"");
  return pattern.substr(0, slot) + question + pattern.substr(slot + 2);
}

std::string edit_prompt(const Protocol& protocol, const Record& record) {
  const auto& captions = protocol.captions;
  if (std::find(captions.begin(), captions.end(), record.prompt) != captions.end())
    return record.prompt;
  return fill_template(protocol.question_template, record.prompt);
}

std::string probe_prompt(const Protocol& protocol, const Record& record, const Probe& probe) {
  if (probe.group == Group::text_locality)
    return fill_template(protocol.text_locality_template, probe.text);
  if (probe.group == Group::image_locality || probe.group == Group::consistent_image_locality)
    return fill_template(protocol.image_locality_template, probe.text);
  // A caption's rewordings are captions, whatever they say; what follows from one may be a
  // question.
  Record asked;
  asked.prompt = probe.text;
  bool bare = edit_prompt(protocol, record) == record.prompt && probe.group != Group::portability;
  return bare ? probe.text : edit_prompt(protocol, asked);
}

std::string continuation(const std::string& answer) {
  return answer.empty() || answer.front() == ' ' || answer.front() == '\n' ? answer : " " + answer;
}

const char* group_name(Group group) {
  switch (group) {
    case Group::reliability:
      return "reliability";
    case Group::text_generality:
      return "text_generality";
    case Group::image_generality:
      return "image_generality";
    case Group::text_locality:
      return "text_locality";
    case Group::image_locality:
      return "image_locality";
    case Group::both_generality:
      return "both_generality";
    case Group::random_image_locality:
      return "random_image_locality";
    case Group::no_image_locality:
      return "no_image_locality";
    case Group::consistent_image_locality:
      return "consistent_image_locality";
    case Group::portability:
      return "portability";
  }
  return "";
}

const std::vector<Group>& groups() {
  static const std::vector<Group> all = {Group::reliability,
                                         Group::text_generality,
                                         Group::image_generality,
                                         Group::both_generality,
                                         Group::text_locality,
                                         Group::image_locality,
                                         Group::random_image_locality,
                                         Group::no_image_locality,
                                         Group::consistent_image_locality,
                                         Group::portability};
  return all;
}

}  // namespace emend
