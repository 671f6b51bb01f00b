#include "evaluation/report/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "io/strings/counted.h"
#include "suites/suite.h"

namespace emend {
namespace {

using nlohmann::json;

std::string setting_text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// A count that is a number, an object of counts by reason, or a list.
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
        reasons.push_back(fmt::format("{}: {}", reason, setting_text(count)));
  if (!reasons.empty()) text += fmt::format(" ({})", fmt::join(reasons, ", "));
  return text;
}

std::string missing_pictures(const json& missing) {
  auto text = fmt::format("{} left out because a picture is missing", count_in(missing));
  if (!missing.is_object()) return text;
  if (auto files = missing.value("files", json()); count_in(files) > 0) {
    std::vector<std::string> names;
    for (const auto& name : missing.value("first", json::array()))
      if (names.size() < 3) names.push_back(setting_text(name));
    text += fmt::format(" ({} not found: {}{})", counted(count_in(files), "file"),
                        fmt::join(names, ", "),
                        static_cast<size_t>(count_in(files)) > names.size() ? ", ..." : "");
  }
  if (auto dropped = missing.value("dropped_probes", json()); count_in(dropped) > 0)
    text += fmt::format("; {} left out because a picture is missing",
                        counted(count_in(dropped), "probe"));
  return text;
}

std::string records_sentence(const Block& block) {
  int64_t original = 0;
  std::set<int64_t> judged;
  for (const auto* run : block.runs) original = std::max(original, run->original);
  for (const auto& method : block.methods)
    for (const auto& source : method.sources) judged.insert(block.editor(source).records);
  auto text = counted(original, "record") + " requested";
  if (block.runs.size() > 1) text += " by each run";
  if (judged.size() == 1)
    text += fmt::format(", {} judged with every editor", *judged.begin());
  else if (!judged.empty())
    text += fmt::format(", {} to {} judged, by editor", *judged.begin(), *judged.rbegin());
  const auto& suite = block.first().config["suite"];
  if (suite.contains("read")) text += fmt::format("; {} read", count_in(suite["read"]));
  auto filtered = suite.contains("filtered") ? suite["filtered"] : json();
  auto missing = suite.contains("missing_images") ? suite["missing_images"] : json();
  bool empty_fields = true;
  if (filtered.is_object())
    for (const auto& [reason, count] : filtered.items())
      empty_fields = empty_fields && reason.starts_with("empty ");
  text += "; " +
          with_reasons(filtered, empty_fields ? "left out because a field is empty" : "left out");
  return text + "; " + missing_pictures(missing) + ".";
}

std::string failures_sentence(const Block& block) {
  std::vector<std::string> failures;
  for (const auto& method : block.methods)
    if (!method.mean.failed.empty())
      failures.push_back(fmt::format("{}: {}", method.title, method.mean.failed.size()));
  if (failures.empty()) return "None.";
  return fmt::format("{}. Failed records are not part of the means.", fmt::join(failures, ", "));
}

std::string mode_sentence(const std::string& mode, const json& config) {
  if (mode == "single") return "Single: each edit is made on the base model, judged, and removed.";
  if (mode == "sequential") {
    const auto judge = config.value("judge", json::object());
    auto text = std::string("Sequential: edits accumulate on one model.");
    if (const auto size = config.value("batch_size", json()); size.is_number())
      text += fmt::format(" {} edits are made together.", size.dump());
    if (judge.is_object() && judge.contains("at") && judge.contains("sample"))
      text += fmt::format(
          " After {} edits, and at the end, a random sample of at most {} earlier edits is judged "
          "again.",
          setting_text(judge["at"]), setting_text(judge["sample"]));
    return text + " The table shows the final state.";
  }
  auto size = config.value("batch_size", json());
  return fmt::format("Batch: {} edits are made together, then each is judged.",
                     size.is_number() ? size.dump() : "several");
}

std::string seeds_sentence(const Block& block) {
  std::vector<std::string> seeds;
  for (const auto* run : block.runs) {
    auto seed = setting_text(run->seed);
    if (std::find(seeds.begin(), seeds.end(), seed) == seeds.end()) seeds.push_back(seed);
  }
  return fmt::format("{}", fmt::join(seeds, ", "));
}

std::string spaced(std::string key) {
  std::replace(key.begin(), key.end(), '_', ' ');
  return key;
}

std::string told(const json& value) {
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (!value.is_object()) return setting_text(value);
  std::vector<std::string> parts;
  for (const auto& [key, part] : value.items())
    parts.push_back(spaced(key) + " " + setting_text(part));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string suite_sentence(const json& suite) {
  if (suite.contains("suites")) {
    std::vector<std::string> sentences;
    for (const auto& one : suite["suites"])
      sentences.push_back(
          fmt::format("{} records of {}", count_in(one.value("kept", json())), suite_sentence(one)));
    return fmt::format("{}", fmt::join(sentences, " "));
  }
  auto text = suite_title(suite.value("name", ""));
  for (const auto& [key, value] : suite.items()) {
    static const std::set<std::string> elsewhere = {"name",     "seed", "read",
                                                    "filtered", "kept", "missing_images"};
    if (!elsewhere.count(key) && !value.is_null())
      text += fmt::format("; {}: {}", spaced(key), told(value));
  }
  return text + ".";
}

std::string machine_sentence(const json& config) {
  std::vector<std::string> parts;
  for (const char* key : {"emend", "libtorch", "device", "dtype", "weights", "threads"})
    if (config.contains(key) && !config[key].is_null())
      parts.push_back(fmt::format("{} {}", key, setting_text(config[key])));
  if (config.contains("reuse"))
    parts.push_back(config["reuse"] == true ? "shared activations reused"
                                            : "no shared activations (--no-reuse)");
  return fmt::format("{}.", fmt::join(parts, ", "));
}

// "base: 95.5 %; ft:language: 80.0 % after 10, 61.0 % after 100 edits; 200 questions ..."
std::string exam_sentence(const Run& run) {
  std::vector<std::string> editors;
  for (const auto& editor : run.editors) {
    std::vector<std::string> shares;
    for (const auto& exam : run.exam) {
      if (exam.editor != editor.label) continue;
      shares.push_back(fmt::format("{:.1f} %", 100.0 * static_cast<double>(exam.right) /
                                                   static_cast<double>(exam.questions)));
      if (exam.edits > 0) shares.back() += fmt::format(" after {}", exam.edits);
    }
    if (!shares.empty())
      editors.push_back(fmt::format("{}: {}", editor.label, fmt::join(shares, ", ")));
  }
  return fmt::format("{} edits; {} questions about facts that no edit changes.",
                     fmt::join(editors, "; "), run.exam.front().questions);
}

}  // namespace

std::string block_title(const Block& block) {
  const auto& run = block.first();
  auto split = run.config["suite"].value("split", json());
  auto suite = suite_title(run.suite);
  if (split.is_string()) suite += fmt::format(" {}", setting_text(split));
  return fmt::format("{}, {} edits, protocol {}", suite, run.mode,
                     setting_text(run.config["protocol"]["name"]));
}

std::vector<Fact> facts_of(const Block& block) {
  const auto& run = block.first();
  const auto& model = run.config["model"];
  std::vector<Fact> facts = {
      {"Suite", suite_sentence(run.config["suite"])},
      {"Records", records_sentence(block)},
      {"Failures", failures_sentence(block)},
      {"Mode", mode_sentence(run.mode, run.config)},
      {"Model", fmt::format("{} (fingerprint {})",
                            setting_text(model.value("folder", json("unnamed"))), run.fingerprint)},
      {"Seed", seeds_sentence(block)},
      {"Machine", machine_sentence(run.config)}};
  if (!run.exam.empty()) facts.push_back({"General ability", exam_sentence(run)});
  std::vector<std::string> own;
  for (const auto& method : block.methods)
    if (!method.mean.protocol.is_null()) own.push_back(method.title);
  if (!own.empty())
    facts.push_back(
        {"Different protocol",
         fmt::format("{}: EasyEdit judges this kind of editor differently; the protocol is "
                     "listed with the results.",
                     fmt::join(own, ", "))});
  return facts;
}

std::string metric_sentence(Group group, const json& protocol) {
  auto agreement = [&](const char* key) {
    auto k = protocol.value(key, json());
    if (!k.is_number_integer()) return std::string("same answer");
    if (k == 1) return std::string("same top-1 token at each position");
    return fmt::format("same top-{} tokens at each position, rank by rank", k.dump());
  };
  std::string sentence = group_info(group).question;
  if (group != Group::text_locality && group != Group::image_locality) return sentence;
  sentence.pop_back();
  return fmt::format("{} ({})?", sentence,
                     agreement(group == Group::text_locality ? "text_k" : "image_k"));
}

std::vector<Group> table_groups(const Block& block) {
  std::vector<Group> groups;
  for (const auto& info : group_infos())
    if (info.in_paper_table) groups.push_back(info.group);
  for (const auto& method : block.methods)
    if (method.mean.groups.count(Group::portability)) {
      groups.push_back(Group::portability);
      break;
    }
  return groups;
}

std::vector<PreferenceInfo> table_preferences(const Block& block) {
  std::vector<PreferenceInfo> infos;
  for (const auto& info : preference_infos())
    if (std::any_of(block.methods.begin(), block.methods.end(), [&](const Method& method) {
          return method.mean.preferences.count(info.name) > 0;
        }))
      infos.push_back(info);
  return infos;
}

std::string error_sentence(const Block& block) {
  bool several = false, one = false;
  for (const auto& method : block.methods) (method.sources.size() > 1 ? several : one) = true;
  if (several && one)
    return "± is the standard deviation over runs with different seeds, and the standard error "
           "over records for a single run.";
  return several ? "± is the standard deviation over runs with different seeds."
                 : "± is the standard error over records.";
}

}  // namespace emend
