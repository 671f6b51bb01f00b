#include "evaluation/measuring/averages.h"

#include <algorithm>
#include <cmath>

namespace emend {
namespace {

// Means over the probes with the same key.
template <class Key, class KeyOf>
std::map<Key, Score> means_by(const std::vector<ProbeResult>& probes, KeyOf key_of) {
  std::map<Key, Score> means;
  for (const auto& probe : probes) {
    auto& sum = means[key_of(probe)];
    sum.score += probe.score;
    sum.generated += probe.generated;
    sum.vqa += probe.vqa;
    ++sum.probes;
  }
  for (auto& [key, mean] : means) {
    const auto n = static_cast<double>(mean.probes);
    mean.score /= n;
    mean.generated /= n;
    mean.vqa /= n;
  }
  return means;
}

nlohmann::json text_or_null(const std::string& text) {
  return text.empty() ? nlohmann::json() : nlohmann::json(text);
}

nlohmann::json to_json(const Score& score) {
  nlohmann::json json = {{"score", score.score},
                         {"generated", score.generated},
                         {"vqa", score.vqa},
                         {"probes", score.probes}};
  if (!std::isnan(score.error)) json["stderr"] = score.error;
  return json;
}

}  // namespace

std::map<Group, Score> means_by_group(const std::vector<ProbeResult>& probes) {
  return means_by<Group>(probes, [](const ProbeResult& probe) { return probe.query.group; });
}

void Averages::RunningMean::add(const Score& of_record) {
  const auto share = 1 / static_cast<double>(++records);
  const auto distance = of_record.score - mean.score;
  mean.score += share * distance;
  mean.generated += share * (of_record.generated - mean.generated);
  mean.vqa += share * (of_record.vqa - mean.vqa);
  mean.probes += of_record.probes;
  squares += distance * (of_record.score - mean.score);
}

Score Averages::RunningMean::score() const {
  auto score = mean;
  const auto n = static_cast<double>(records);
  if (records > 1) score.error = std::sqrt(squares / (n - 1) / n);
  return score;
}

void Averages::add(const RecordResult& measured) {
  ++records_;
  for (const auto& [group, mean] : measured.scores) groups_[group].add(mean);
  const auto places = means_by<Cell::Key>(measured.probes, [](const ProbeResult& probe) {
    const auto place = place_of(probe.query.group, probe.query.similar);
    return Cell::Key{place.text, place.image, is_locality(probe.query.group)};
  });
  for (const auto& [key, mean] : places) cells_[key].add(mean);
}

std::map<Group, Score> Averages::scores() const {
  std::map<Group, Score> scores;
  for (const auto& [group, running] : groups_) scores[group] = running.score();
  return scores;
}

std::vector<Cell> Averages::grid() const {
  std::vector<Cell> grid;
  for (const auto& text : grid_texts())
    for (const auto& image : grid_images())
      for (bool unchanged : {false, true})
        if (auto found = cells_.find({text, image, unchanged}); found != cells_.end())
          grid.push_back({{text, image}, unchanged, found->second.score()});
  return grid;
}

nlohmann::json to_json(const std::map<Group, Score>& scores) {
  auto json = nlohmann::json::object();
  for (const auto& [group, score] : scores) json[group_name(group)] = to_json(score);
  return json;
}

nlohmann::json to_json(const std::vector<Cell>& grid) {
  auto json = nlohmann::json::array();
  for (const auto& cell : grid) {
    json.push_back(to_json(cell.score));
    json.back().update({{"text", cell.place.text},
                        {"image", cell.place.image},
                        {"expects", cell.unchanged ? "unchanged" : "target"}});
  }
  return json;
}

nlohmann::json to_json(const ProbeResult& result) {
  const auto place = place_of(result.query.group, result.query.similar);
  nlohmann::json json = {{"group", group_name(result.query.group)},
                         {"text", text_or_null(place.text)},
                         {"picture", text_or_null(place.image)},
                         {"image", text_or_null(picture_name(result.query.image))},
                         {"prompt", result.query.prompt},
                         {"expected", result.query.expected},
                         {"before", result.before},
                         {"after", result.after},
                         {"score", result.score},
                         {"generated", result.generated},
                         {"vqa", result.vqa}};
  if (result.preference)
    json["preference"] = {{"alternative", result.query.alternative},
                          {"log_probability",
                           {{"expected", result.preference->expected},
                            {"alternative", result.preference->alternative}}}};
  return json;
}

}  // namespace emend
