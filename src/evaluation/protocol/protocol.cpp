#include "evaluation/protocol/protocol.h"

#include <fmt/format.h>

#include <algorithm>

#include "editing/registry.h"
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
  return protocol;
}

Protocol easyedit_editor() {
  auto protocol = bare({});
  protocol.name = "easyedit-editor";
  protocol.accuracy = Protocol::Accuracy::token_accuracy;
  protocol.ranked_on = Ranking::On::logits;
  protocol.ranking_dtype = at::kFloat;
  protocol.alignment = Protocol::Alignment::last_positions;
  protocol.answer_space = Protocol::AnswerSpace::completed;
  return protocol;
}

Protocol strict() {
  Protocol protocol;
  protocol.name = "strict";
  protocol.judged = Protocol::Judged::generated;
  protocol.bos = Protocol::Bos::model;
  protocol.answer_space = Protocol::AnswerSpace::plain;
  return protocol;
}

const char* ranking_dtype_name(std::optional<at::ScalarType> dtype) {
  if (!dtype) return "auto";
  return *dtype == at::kHalf ? "float16" : *dtype == at::kBFloat16 ? "bfloat16" : "float32";
}

const char* bos_name(Protocol::Bos bos) {
  switch (bos) {
    case Protocol::Bos::model:
      return "model";
    case Protocol::Bos::none:
      return "none";
    case Protocol::Bos::always:
      return "always";
    case Protocol::Bos::never:
      return "never";
  }
  return "";
}

const char* answer_space_name(Protocol::AnswerSpace space) {
  switch (space) {
    case Protocol::AnswerSpace::added:
      return "always_added";
    case Protocol::AnswerSpace::completed:
      return "unless_it_begins_with_a_space";
    case Protocol::AnswerSpace::plain:
      return "unless_it_begins_with_a_space_or_newline";
  }
  return "";
}

Processor::Bos bos_of(const Protocol& protocol, const PromptLayout& layout) {
  switch (protocol.bos) {
    case Protocol::Bos::model:
      break;
    case Protocol::Bos::none:
      if (layout.pictures_first && !layout.requires_bos) return Processor::Bos::never;
      break;
    case Protocol::Bos::always:
      return Processor::Bos::always;
    case Protocol::Bos::never:
      return Processor::Bos::never;
  }
  return Processor::Bos::released;
}

// What the processor does after set_bos.
const char* bos_used(const Processor& processor) {
  if (!processor.has_bos() || processor.bos == Processor::Bos::never) return "absent";
  const bool everywhere = processor.layout.pictures_first;
  return everywhere || processor.bos == Processor::Bos::always ? "present" : "as_released";
}

}  // namespace

Protocol make_protocol(const std::string& name) {
  if (name == "mmedit-2024") return {};
  if (name == "easyedit-trainer") return easyedit_trainer();
  if (name == "easyedit-editor") return easyedit_editor();
  if (name == "strict") return strict();
  throw Error("evaluation::protocol", fmt::format("unknown protocol '{}'", name),
              fmt::format("use one of: {}", fmt::join(protocol_names(), ", ")));
}

std::vector<std::string> protocol_names() {
  return {"mmedit-2024", "easyedit-trainer", "easyedit-editor", "strict"};
}

Protocol for_editor(const Protocol& protocol, const std::string& editor) {
  if (!editor_info(editor).rewrites_prompts) return protocol;
  auto own = protocol;
  if (protocol.name == "mmedit-2024") {
    own = bare(protocol);
    own.ranking_dtype = at::kFloat;
    own.alignment = Protocol::Alignment::last_positions;
  } else if (protocol.name == "easyedit-editor") {
    own.accuracy = Protocol::Accuracy::exact_match;
  } else if (protocol.name == "easyedit-trainer") {
    // EasyEdit's trainer does not support IKE, and equal lengths are impossible for its requests.
    own.alignment = Protocol::Alignment::last_positions;
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

Ranking ranking_of(const Protocol& protocol, const Vlm& vlm) {
  return {protocol.ranked_on, protocol.ranking_dtype.value_or(vlm.stored_dtype)};
}

void set_bos(Vlm& vlm, const Protocol& protocol) {
  vlm.processor.bos = bos_of(protocol, vlm.processor.layout);
}

nlohmann::json to_json(const Protocol& protocol) {
  nlohmann::json json = {{"name", protocol.name},
                         {"question_template", protocol.question_template},
                         {"image_locality_template", protocol.image_locality_template},
                         {"text_locality_template", protocol.text_locality_template},
                         {"bare_prompts", protocol.captions},
                         {"bos", {{"requested", bos_name(protocol.bos)}}},
                         {"answer_space", answer_space_name(protocol.answer_space)},
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
    json["ranked_on"] = protocol.ranked_on == Ranking::On::logits ? "logits" : "softmax";
    json["ranking_dtype"] = {{"requested", ranking_dtype_name(protocol.ranking_dtype)}};
    json["accuracy_on"] = "logits_float32";
    json["alignment"] = equal ? "equal_lengths" : "last_positions";
    json["answers"] = protocol.generate_answers ? "generated" : "best_tokens_while_forced";
  } else {
    // Choices of teacher forcing are left out, because they do not apply.
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

nlohmann::json to_json(const Protocol& protocol, const Vlm& vlm) {
  auto json = to_json(protocol);
  const auto& layout = vlm.processor.layout;
  auto& bos = json["bos"];
  bos["used"] = bos_used(vlm.processor);
  if (protocol.bos == Protocol::Bos::none && bos["used"] != "absent")
    bos["reason"] = layout.requires_bos ? "config.json sets text_requires_bos"
                    : layout.pictures_first
                        ? "the processor was not configured to omit BOS"
                        : "the protocol omits BOS only where pictures come before the text";
  if (protocol.judged == Protocol::Judged::forced)
    json["ranking_dtype"]["used"] = ranking_dtype_name(ranking_of(protocol, vlm).dtype);
  return json;
}

std::string fill_template(const std::string& pattern, const std::string& question) {
  auto slot = pattern.find("{}");
  if (slot == std::string::npos)
    throw Error("evaluation::protocol", fmt::format("the template '{}' has no {{}}", pattern),
                "write {} in place of the question: \"Question: {} Short answer:\"");
  if (pattern.find("{}", slot + 2) != std::string::npos)
    throw Error("evaluation::protocol",
                fmt::format("the template '{}' has {{}} more than once", pattern),
                "write {} once, in place of the question");
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
  // Rewordings of a caption are captions, even if they end with a question mark. Consequences of a
  // caption may be questions.
  Record asked;
  asked.prompt = probe.text;
  bool bare = edit_prompt(protocol, record) == record.prompt && probe.group != Group::portability;
  return bare ? probe.text : edit_prompt(protocol, asked);
}

std::string continuation(const Protocol& protocol, const std::string& answer) {
  using Space = Protocol::AnswerSpace;
  const bool spaced = !answer.empty() && answer.front() == ' ';
  const bool broken = !answer.empty() && answer.front() == '\n';
  if (protocol.answer_space == Space::completed && spaced) return answer;
  if (protocol.answer_space == Space::plain && (answer.empty() || spaced || broken)) return answer;
  return " " + answer;
}

}  // namespace emend
