#include "evaluation/measuring/preferences.h"

#include <cmath>

#include "evaluation/measuring/measure.h"

namespace emend {

double Preference::magnitude() const { return std::exp(expected) - std::exp(alternative); }

const std::vector<PreferenceInfo>& preference_infos() {
  static const std::vector<PreferenceInfo> infos = {
      {Group::reliability, "efficacy_score", "Efficacy score",
       "Is the target more probable than the former answer, after the prompt of the edit?"},
      {Group::text_generality, "paraphrase_score", "Paraphrase score",
       "Is the target more probable than the former answer, after a rewording of the prompt?"},
      {Group::text_locality, "neighborhood_score", "Neighborhood score",
       "Is the correct answer more probable than the target, after a prompt about another "
       "subject?"}};
  return infos;
}

nlohmann::json to_json(const std::map<Group, PreferenceScore>& scores) {
  auto json = nlohmann::json::object();
  for (const auto& info : preference_infos()) {
    const auto found = scores.find(info.group);
    if (found == scores.end()) continue;
    const auto& [score, magnitude, probes, error] = found->second;
    json[info.name] = {{"score", score}, {"magnitude", magnitude}, {"probes", probes}};
    if (!std::isnan(error)) json[info.name]["stderr"] = error;
  }
  return json;
}

void PreferenceAverages::add(const RecordResult& measured) {
  std::map<Group, PreferenceScore> of_record;  // sums
  for (const auto& probe : measured.probes) {
    if (!probe.preference) continue;
    auto& sum = of_record[probe.query.group];
    sum.score += probe.preference->success();
    sum.magnitude += probe.preference->magnitude();
    ++sum.probes;
  }
  for (const auto& [group, sum] : of_record) {
    auto& [mean, squares, records] = groups_[group];
    const auto probes = static_cast<double>(sum.probes);
    const auto share = 1 / static_cast<double>(++records);
    const auto distance = sum.score / probes - mean.score;
    mean.score += share * distance;
    mean.magnitude += share * (sum.magnitude / probes - mean.magnitude);
    mean.probes += sum.probes;
    squares += distance * (sum.score / probes - mean.score);
  }
}

std::map<Group, PreferenceScore> PreferenceAverages::scores() const {
  std::map<Group, PreferenceScore> scores;
  for (const auto& [group, sums] : groups_) {
    auto& score = scores[group] = sums.mean;
    const auto n = static_cast<double>(sums.records);
    if (sums.records > 1) score.error = std::sqrt(sums.squares / (n - 1) / n);
  }
  return scores;
}

}  // namespace emend
