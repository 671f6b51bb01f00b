#include "evaluation/bench/files/results_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"

namespace emend {
namespace {

Group group_of(const nlohmann::json& probe) {
  const auto name = probe.at("group").get<std::string>();
  if (const auto group = find_group(name)) return *group;
  throw Error(
      "evaluation::results",
      fmt::format("samples.jsonl has a probe of the unknown group '{}'", name.substr(0, 60)),
      "the run was written by another version of emend; use --restart to start again");
}

// Restores the parts of a line that averages need.
RecordResult measured_of(const nlohmann::json& sample) {
  RecordResult measured;
  for (const auto& probe : sample.at("probes")) {
    ProbeResult result;
    result.query.group = group_of(probe);
    result.query.similar = probe.at("text") == "similar" || probe.at("picture") == "similar";
    result.score = probe.at("score").get<double>();
    result.generated = probe.at("generated").get<double>();
    result.vqa = probe.at("vqa").get<double>();
    if (probe.contains("preference")) {
      const auto& log_probability = probe["preference"].at("log_probability");
      result.preference = {log_probability.at("expected").get<double>(),
                           log_probability.at("alternative").get<double>()};
    }
    measured.probes.push_back(std::move(result));
  }
  measured.scores = means_by_group(measured.probes);
  return measured;
}

// Adds nothing if the suite has no alternatives.
void add_preferences(nlohmann::json& object, const char* key,
                     const PreferenceAverages& preferences) {
  if (auto scores = to_json(preferences.scores()); !scores.empty()) object[key] = std::move(scores);
}

nlohmann::json lm_eval_scores(const nlohmann::json& groups_json, const std::string& protocol) {
  auto scores = nlohmann::json::object();
  for (const auto& [group, score] : groups_json.items()) {
    scores[group + "," + protocol] = score.at("score");
    if (score.contains("stderr")) scores[group + "_stderr," + protocol] = score["stderr"];
  }
  for (const auto& info : group_infos()) {
    const auto found = groups_json.find(info.name);
    if (*info.easyedit_name && found != groups_json.end())
      scores[info.easyedit_name] = found->at("score");
  }
  return scores;
}

}  // namespace

Results::Results(nlohmann::json run) : run_(std::move(run)) {
  for (const auto& editor : run_.at("editors")) editors_[editor.at("label").get<std::string>()];
}

Results::EditorTally& Results::of(const nlohmann::json& line) {
  auto found = editors_.find(line.at("editor").get<std::string>());
  if (found == editors_.end())
    throw Error("evaluation::results",
                fmt::format("a line has the editor '{}', which is not in the run",
                            line.at("editor").get<std::string>()),
                "use --restart to start again");
  return found->second;
}

void Results::add(const nlohmann::json& sample) {
  auto& editor = of(sample);
  if (sample.contains("failed"))
    editor.failed.try_emplace(sample.at("index").get<int64_t>(),
                              nlohmann::json{{"record", sample.at("record")},
                                             {"stage", sample.at("stage")},
                                             {"reason", sample.at("failed")}});
  if (sample.contains("patch")) {
    editor.sites = std::max(editor.sites, sample["patch"].at("sites").get<int64_t>());
    editor.parameters =
        std::max(editor.parameters, sample["patch"].at("parameters").get<int64_t>());
  }
  auto& tally = sample.contains("reevaluated")
                    ? editor.again[sample.at("after_edits").get<int64_t>()]
                    : editor.after_edit;
  if (sample.contains("failed")) {
    ++tally.failed;
    return;
  }
  const auto measured = measured_of(sample);
  tally.averages.add(measured);
  tally.preferences.add(measured);
}

void Results::add_timing(const nlohmann::json& timing) {
  auto& editor = of(timing);
  ++editor.judgments;
  for (const auto& [name, value] : timing.items())
    if (value.is_number_float()) editor.seconds[name].add(value.get<double>());
  const auto edits = timing.value("after_edits", int64_t{0});
  if (edits == 0) return;
  if (timing.contains("edit_seconds"))
    editor.edit_seconds[edits].add(timing["edit_seconds"].get<double>());
  if (timing.contains("reevaluated") && timing.contains("judge_seconds"))
    editor.again_seconds[edits].add(timing["judge_seconds"].get<double>());
}

// For each point of the curve: the means of the seconds of the edits since the point before, and
// of the judgments there.
nlohmann::json Results::cost_curve(const EditorTally& editor) {
  auto curve = nlohmann::json::array();
  auto edit = editor.edit_seconds.begin();
  for (const auto& [edits, judging] : editor.again_seconds) {
    nlohmann::json point = {{"edits", edits}, {"judge_seconds", judging.mean()}};
    Seconds editing;
    for (; edit != editor.edit_seconds.end() && edit->first <= edits; ++edit) {
      editing.sum += edit->second.sum;
      editing.count += edit->second.count;
    }
    if (editing.count > 0) point["edit_seconds"] = editing.mean();
    curve.push_back(std::move(point));
  }
  return curve;
}

const Results::Tally& Results::last(const EditorTally& editor) const {
  return editor.again.empty() ? editor.after_edit : editor.again.rbegin()->second;
}

nlohmann::json Results::json(size_t original, bool partial) const {
  const auto& config = run_.at("config");
  nlohmann::json all = {{"format", "emend-results"},
                        {"version", 1},
                        {"config", config},
                        {"editors", nlohmann::json::array()},
                        {"results", nlohmann::json::object()}};
  if (partial) all["partial"] = true;
  auto suite = config.at("suite").at("name").get<std::string>();
  for (auto described : run_.at("editors")) {
    auto label = described.at("label").get<std::string>();
    const auto& editor = editors_.at(label);
    const auto& tally = last(editor);
    described["records"] = tally.averages.records();
    described["failed"] = nlohmann::json::array();
    for (const auto& [index, failure] : editor.failed) described["failed"].push_back(failure);
    described["groups"] = to_json(tally.averages.scores());
    add_preferences(described, "preferences", tally.preferences);
    described["grid"] = to_json(tally.averages.grid());
    if (editor.sites > 0)
      described["patch"] = {{"sites", editor.sites}, {"parameters", editor.parameters}};
    if (config.at("mode") == "sequential") {
      described["groups_when_made"] = to_json(editor.after_edit.averages.scores());
      add_preferences(described, "preferences_when_made", editor.after_edit.preferences);
      described["curve"] = nlohmann::json::array();
      for (const auto& [edits, point] : editor.again) {
        described["curve"].push_back({{"edits", edits},
                                      {"judged", point.averages.records()},
                                      {"failed", point.failed},
                                      {"groups", to_json(point.averages.scores())}});
        add_preferences(described["curve"].back(), "preferences", point.preferences);
      }
    }
    const auto& protocol =
        described.contains("protocol") ? described["protocol"] : config.at("protocol");
    auto key = suite + "|" + label;
    all["results"][key] =
        lm_eval_scores(described["groups"], protocol.at("name").get<std::string>());
    all["n-samples"][key] = {{"original", original}, {"effective", tally.averages.records()}};
    auto& timing = all["timings"][label];
    timing = {{"judgements", editor.judgments}};
    for (const auto& [name, seconds] : editor.seconds)
      timing[name] = seconds.mean();
    if (auto curve = cost_curve(editor); !curve.empty()) timing["curve"] = std::move(curve);
    all["editors"].push_back(std::move(described));
  }
  return all;
}

std::map<std::string, std::string> Results::failed_editors() const {
  std::map<std::string, std::string> labels;
  for (const auto& [label, editor] : editors_)
    if (last(editor).averages.records() == 0 && !editor.failed.empty())
      labels[label] = editor.failed.begin()->second.at("reason").get<std::string>();
  return labels;
}

}  // namespace emend
