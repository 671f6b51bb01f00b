#include "evaluation/report_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace emend {
namespace {

using nlohmann::json;

std::string plain(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string counted(int64_t count, const std::string& thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

// A count that may be told as a number, by reasons, or as a list.
int64_t count_in(const json& value) {
  if (value.is_number()) return static_cast<int64_t>(value.get<double>());
  if (value.is_array()) return static_cast<int64_t>(value.size());
  if (!value.is_object()) return 0;
  if (value.contains("records")) return count_in(value["records"]);
  int64_t sum = 0;
  for (const auto& part : value) sum += count_in(part);
  return sum;
}

std::string with_reasons(const json& value, const std::string& what) {
  auto text = fmt::format("{} {}", count_in(value), what);
  std::vector<std::string> reasons;
  if (value.is_object())
    for (const auto& [reason, count] : value.items())
      if (count.is_number() && count_in(count) > 0)
        reasons.push_back(fmt::format("{}: {}", reason, plain(count)));
  if (!reasons.empty()) text += fmt::format(" ({})", fmt::join(reasons, ", "));
  return text;
}

std::string records_sentence(const Block& block) {
  int64_t original = 0;
  std::set<int64_t> judged;
  for (const auto* run : block.runs) original = std::max(original, run->original);
  for (const auto& method : block.methods)
    for (const auto& source : method.sources) judged.insert(block.editor(source).records);
  auto text = counted(original, "record") + " asked for";
  if (judged.size() == 1)
    text += fmt::format(", {} judged with every editor", *judged.begin());
  else if (!judged.empty())
    text += fmt::format(", {} to {} judged, by editor", *judged.begin(), *judged.rbegin());
  const auto& suite = block.first().config["suite"];
  if (suite.contains("read"))
    text += fmt::format("; {} read from the file", count_in(suite["read"]));
  auto filtered = suite.contains("filtered") ? suite["filtered"] : json();
  auto missing = suite.contains("missing_images") ? suite["missing_images"] : json();
  text += "; " + with_reasons(filtered, "left out because a field is empty");
  text += "; " + with_reasons(missing, "left out because a picture is missing");
  return text + ".";
}

std::string failures_sentence(const Block& block) {
  std::vector<std::string> failures;
  for (const auto& method : block.methods)
    if (!method.mean.failed.empty())
      failures.push_back(fmt::format("{}: {}", method.title, method.mean.failed.size()));
  if (failures.empty()) return "None: every editor ran on every record.";
  return fmt::format("{}. Failed records are not part of the means.", fmt::join(failures, ", "));
}

std::string mode_sentence(const std::string& mode, const json& config) {
  if (mode == "single")
    return "Single: each edit is made alone on the untouched model, judged, and taken back.";
  if (mode == "sequential")
    return "Sequential: edits pile up on one model; now and then earlier ones are judged again.";
  auto size = config.value("batch", json());
  return fmt::format("Batch: {} edits are made at once, then each is judged.",
                     size.is_number() ? size.dump() : "several");
}

std::string seeds_sentence(const Block& block) {
  std::vector<std::string> seeds;
  for (const auto* run : block.runs) {
    auto seed = plain(run->seed);
    if (std::find(seeds.begin(), seeds.end(), seed) == seeds.end()) seeds.push_back(seed);
  }
  return fmt::format("{}", fmt::join(seeds, ", "));
}

std::string suite_sentence(const json& suite) {
  auto text = suite_title(suite.value("name", ""));
  for (const auto& [key, value] : suite.items()) {
    static const std::set<std::string> elsewhere = {"name", "seed", "read", "filtered", "kept",
                                                    "missing_images"};
    if (!elsewhere.count(key) && !value.is_null())
      text += fmt::format("; {}: {}", key, plain(value));
  }
  return text + ".";
}

std::string machine_sentence(const json& config) {
  std::vector<std::string> parts;
  for (const char* key : {"emend", "libtorch", "device", "dtype", "threads"})
    if (config.contains(key) && !config[key].is_null())
      parts.push_back(fmt::format("{} {}", key, plain(config[key])));
  if (config.contains("reuse"))
    parts.push_back(config["reuse"] == true ? "shared activations reused"
                                            : "everything recomputed (--no-reuse)");
  return fmt::format("{}.", fmt::join(parts, ", "));
}

using Words = std::string (*)(const json& value);
const std::map<std::string, std::pair<const char*, Words>>& protocol_words() {
  static const std::map<std::string, std::pair<const char*, Words>> words = {
      {"accuracy",
       {"Counted as right",
        [](const json& value) -> std::string {
          return value == "exact_match"
                     ? "exact match: every token of the answer has to be the most likely one"
                     : "token accuracy: the share of the answer's tokens that are the most likely";
        }}},
      {"judged",
       {"Judged",
        [](const json& value) -> std::string {
          return value == "generated"
                     ? "on the answer that the model generates; it never sees the target"
                     : "teacher-forced: the target is fed in and its tokens are judged";
        }}},
      {"ties",
       {"Ties",
        [](const json& value) -> std::string {
          return value == "lowest_token_id" ? "equal scores rank by the lowest token id"
                                            : plain(value);
        }}},
      {"ranked_on",
       {"Ranked on",
        [](const json& value) -> std::string {
          return value == "softmax_float16"
                     ? "softmax rounded to float16, as the field's half-precision models do"
                     : "the logits in float32";
        }}},
      {"alignment",
       {"When the request is longer afterwards",
        [](const json& value) -> std::string {
          return value == "last_positions" ? "the last positions are compared"
                                           : "an error: lengths have to be equal";
        }}},
      {"text_k",
       {"T-Locality compares",
        [](const json& value) { return "the best " + plain(value) + " tokens a position"; }}},
      {"image_k",
       {"M-Locality compares",
        [](const json& value) {
          return "the best " + plain(value) + " tokens a position, rank by rank";
        }}},
      {"question_template", {"Questions are put as", plain}},
      {"image_locality_template", {"M-Locality questions are put as", plain}},
      {"text_locality_template", {"T-Locality questions are put as", plain}},
      {"max_new_tokens",
       {"Generated answers have", [](const json& value) { return "at most " + plain(value) + " tokens"; }}},
      {"name", {"Protocol", plain}},
  };
  return words;
}

}  // namespace

std::string suite_title(const std::string& suite) {
  static const std::map<std::string, std::string> titles = {{"scenes", "Scenes"},
                                                            {"e-vqa", "E-VQA"},
                                                            {"e-ic", "E-IC"},
                                                            {"vlkeb", "VLKEB"},
                                                            {"mmedit-json", "MMEdit JSON"}};
  auto found = titles.find(suite);
  return found == titles.end() ? suite : found->second;
}

std::string block_title(const Block& block) {
  const auto& run = block.first();
  auto split = run.config["suite"].value("split", json());
  auto suite = suite_title(run.suite);
  if (split.is_string()) suite += fmt::format(" {}", plain(split));
  return fmt::format("{}, {} edits, protocol {}", suite, run.mode,
                     plain(run.config["protocol"]["name"]));
}

std::vector<Fact> facts_of(const Block& block) {
  const auto& run = block.first();
  const auto& model = run.config["model"];
  std::vector<Fact> facts = {
      {"Suite", suite_sentence(run.config["suite"])},
      {"Records", records_sentence(block)},
      {"Failures", failures_sentence(block)},
      {"Mode", mode_sentence(run.mode, run.config)},
      {"Model", fmt::format("{} (fingerprint {})", plain(model.value("folder", json("unnamed"))),
                            run.fingerprint)},
      {"Seed", seeds_sentence(block)},
      {"Computed with", machine_sentence(run.config)}};
  std::vector<std::string> own;
  for (const auto& method : block.methods)
    if (!method.mean.protocol.is_null()) own.push_back(method.title);
  if (!own.empty())
    facts.push_back({"Judged otherwise",
                     fmt::format("{}: the field judges this kind of editor differently; its own "
                                 "protocol is listed below.",
                                 fmt::join(own, ", "))});
  return facts;
}

std::vector<Fact> protocol_facts(const json& protocol) {
  std::vector<Fact> facts;
  for (const char* key : {"name", "judged", "accuracy", "question_template",
                          "image_locality_template", "text_locality_template", "text_k", "image_k",
                          "ranked_on", "ties", "alignment", "max_new_tokens"})
    if (protocol.contains(key)) {
      const auto& [name, words] = protocol_words().at(key);
      facts.push_back({name, words(protocol[key])});
    }
  for (const auto& [key, value] : protocol.items())
    if (!protocol_words().count(key)) facts.push_back({key, plain(value)});
  return facts;
}

const char* metric_title(Group group) {
  switch (group) {
    case Group::reliability:
      return "Reliability";
    case Group::text_generality:
      return "T-Generality";
    case Group::image_generality:
      return "M-Generality";
    case Group::both_generality:
      return "TM-Generality";
    case Group::text_locality:
      return "T-Locality";
    case Group::image_locality:
      return "M-Locality";
    case Group::random_image_locality:
      return "RI-Locality";
    case Group::no_image_locality:
      return "NI-Locality";
    case Group::consistent_image_locality:
      return "CI-Locality";
    case Group::portability:
      return "Portability";
  }
  return "";
}

std::string metric_sentence(Group group, const json& protocol) {
  auto best = [&](const char* key) {
    auto k = protocol.value(key, json());
    if (!k.is_number_integer()) return std::string("the answer stays");
    if (k == 1) return std::string("each position's best token stays");
    return fmt::format("each position's best {} tokens stay, rank by rank", k.dump());
  };
  switch (group) {
    case Group::reliability:
      return "Does the edit hold: is the edited question about the edited picture answered with "
             "the target?";
    case Group::text_generality:
      return "Does it hold when the question is worded differently?";
    case Group::image_generality:
      return "Does it hold on another picture of the same thing?";
    case Group::both_generality:
      return "Does it hold with other words and another picture at once?";
    case Group::text_locality:
      return fmt::format("Is unrelated knowledge, asked without a picture, as before ({})?",
                         best("text_k"));
    case Group::image_locality:
      return fmt::format("Is the answer to an unrelated question about another picture as before "
                         "({})?",
                         best("image_k"));
    case Group::random_image_locality:
      return "Is the edited question's answer about an unrelated picture as before?";
    case Group::no_image_locality:
      return "Is the edited question's answer without a picture as before?";
    case Group::consistent_image_locality:
      return "Is an unrelated question's answer about the edited picture as before?";
    case Group::portability:
      return "Did what follows from the edit change too?";
  }
  return "";
}

std::vector<Group> table_groups(const Block& block) {
  std::vector<Group> groups = {Group::reliability, Group::text_generality, Group::image_generality,
                               Group::text_locality, Group::image_locality};
  for (const auto& method : block.methods)
    if (method.mean.groups.count(Group::portability)) {
      groups.push_back(Group::portability);
      break;
    }
  return groups;
}

std::string error_sentence(const Block& block) {
  bool several = false, one = false;
  for (const auto& method : block.methods) (method.sources.size() > 1 ? several : one) = true;
  if (several && one)
    return "± is the standard deviation over runs with different seeds, and the standard error "
           "over records where there is one run.";
  return several ? "± is the standard deviation over runs with different seeds."
                 : "± is the standard error over records.";
}

}  // namespace emend
