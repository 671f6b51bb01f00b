#include "evaluation/protocol.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"

namespace emend {

Protocol make_protocol(const std::string& name) {
  if (name == "mmedit-2024") return {};
  throw Error("evaluation::protocol", fmt::format("there is no protocol '{}'", name),
              fmt::format("there are: {}", fmt::join(protocol_names(), ", ")));
}

std::vector<std::string> protocol_names() { return {"mmedit-2024"}; }

Protocol for_editor(const Protocol& protocol, const std::string&) { return protocol; }

nlohmann::json to_json(const Protocol& protocol) {
  bool exact = protocol.accuracy == Protocol::Accuracy::exact_match;
  bool half = protocol.ranking == Ranking::softmax_float16;
  return {{"name", protocol.name},
          {"question_template", protocol.question_template},
          {"image_locality_template", protocol.image_locality_template},
          {"text_locality_template", protocol.text_locality_template},
          {"accuracy", exact ? "exact_match" : "token_accuracy"},
          {"text_k", protocol.text_k},
          {"image_k", protocol.image_k},
          {"ranked_on", half ? "softmax_float16" : "logits_float32"},
          {"ties", "lowest_token_id"},
          {"max_new_tokens", protocol.max_new_tokens}};
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
