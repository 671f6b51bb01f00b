#include "evaluation/report/merge.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

namespace emend {
namespace {

using nlohmann::json;

// Without the parts that depend on the seed (the chosen records and their counts), and without
// locations of files.
json comparable_suite(json suite) {
  for (const char* key : {"seed", "read", "filtered", "missing_images", "kept", "file", "data",
                          "images", "rephrase_images", "folder", "unused_fields", "forms"})
    suite.erase(key);
  if (suite.contains("suites"))
    for (auto& one : suite["suites"]) one = comparable_suite(one);
  return suite;
}

// The parts of a run that must be equal for one table.
json comparable(const Run& run, bool model) {
  const auto suite = comparable_suite(run.config["suite"]);
  json key = {suite,
              run.config["protocol"],
              run.mode,
              run.config.value("limit", json()),
              run.config.value("batch_size", json()),
              run.config.value("judge", json()),
              run.config.value("dtype", json())};
  if (model) key.push_back(run.fingerprint);
  return key;
}

json without_seed(json settings) {
  if (settings.is_object()) settings.erase("seed");
  return settings;
}

bool same_scores(const GroupScores& a, const GroupScores& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [group, score] : a) {
    auto other = b.find(group);
    if (other == b.end() || other->second.score != score.score ||
        other->second.probes != score.probes)
      return false;
  }
  return true;
}

bool same_result(const EditorRun& a, const EditorRun& b) {
  return a.records == b.records && a.failed.size() == b.failed.size() &&
         same_scores(a.groups, b.groups);
}

// The mean and, for several values, the sample standard deviation.
class Mean {
 public:
  void add(double value) { values_.push_back(value); }
  void add(const std::optional<double>& value) {
    if (value) values_.push_back(*value);
  }
  std::optional<double> mean() const {
    if (values_.empty()) return {};
    double sum = 0;
    for (auto value : values_) sum += value;
    return sum / static_cast<double>(values_.size());
  }
  std::optional<double> deviation() const {
    if (values_.size() < 2) return {};
    double middle = *mean(), sum = 0;
    for (auto value : values_) sum += (value - middle) * (value - middle);
    return std::sqrt(sum / static_cast<double>(values_.size() - 1));
  }

 private:
  std::vector<double> values_;
};

// Scores: GroupScores or PreferenceScores.
template <class Scores>
Scores mean_scores(const std::vector<const Scores*>& all) {
  struct Sums {
    Mean score, generated, vqa, after_edit;
    int64_t probes = 0;
  };
  std::map<typename Scores::key_type, Sums> sums;
  for (const auto* groups : all)
    for (const auto& [group, value] : *groups) {
      auto& sum = sums[group];
      sum.score.add(value.score);
      sum.generated.add(value.generated);
      sum.vqa.add(value.vqa);
      sum.after_edit.add(value.after_edit);
      sum.probes += value.probes;
    }
  Scores means;
  for (const auto& [group, sum] : sums)
    means[group] = {*sum.score.mean(), sum.score.deviation(), sum.generated.mean(), sum.vqa.mean(),
                    sum.probes,        sum.after_edit.mean()};
  return means;
}

std::vector<GridCell> mean_grid(const std::vector<const EditorRun*>& editors) {
  std::vector<GridCell> grid;
  std::vector<std::pair<Mean, Mean>> sums;
  for (const auto* editor : editors)
    for (const auto& cell : editor->grid) {
      size_t at = 0;
      while (at < grid.size() && (grid[at].text != cell.text || grid[at].image != cell.image ||
                                  grid[at].expects != cell.expects))
        ++at;
      if (at == grid.size()) {
        grid.push_back(cell);
        grid.back().probes = 0;
        sums.emplace_back();
      }
      grid[at].probes += cell.probes;
      sums[at].first.add(cell.score);
      sums[at].second.add(cell.generated);
    }
  for (size_t i = 0; i < grid.size(); ++i) {
    grid[i].score = *sums[i].first.mean();
    grid[i].generated = sums[i].second.mean();
  }
  return grid;
}

std::vector<CurvePoint> mean_curve(const std::vector<const EditorRun*>& editors) {
  std::map<int64_t, std::vector<const CurvePoint*>> points;
  for (const auto* editor : editors)
    for (const auto& point : editor->curve) points[point.edits].push_back(&point);
  std::vector<CurvePoint> curve;
  for (const auto& [edits, at] : points) {
    CurvePoint point{edits, 0, {}};
    std::vector<const GroupScores*> groups;
    std::vector<const PreferenceScores*> preferences;
    Mean edit, judge;
    for (const auto* one : at) {
      edit.add(one->edit_seconds);
      judge.add(one->judge_seconds);
      point.judged += one->judged;
      groups.push_back(&one->groups);
      preferences.push_back(&one->preferences);
    }
    point.groups = mean_scores(groups);
    point.preferences = mean_scores(preferences);
    point.edit_seconds = edit.mean();
    point.judge_seconds = judge.mean();
    curve.push_back(std::move(point));
  }
  return curve;
}

EditorRun mean_of(const std::vector<const EditorRun*>& editors) {
  auto mean = *editors.front();
  if (editors.size() == 1) return mean;
  std::vector<const GroupScores*> groups;
  std::vector<const PreferenceScores*> preferences;
  Mean sites, parameters, edit, judge, before;
  mean.records = 0;
  mean.failed.clear();
  for (const auto* editor : editors) {
    groups.push_back(&editor->groups);
    preferences.push_back(&editor->preferences);
    mean.records += editor->records;
    mean.failed.insert(mean.failed.end(), editor->failed.begin(), editor->failed.end());
    sites.add(editor->sites);
    parameters.add(editor->parameters);
    edit.add(editor->edit_seconds);
    judge.add(editor->judge_seconds);
    before.add(editor->before_seconds);
  }
  mean.groups = mean_scores(groups);
  mean.preferences = mean_scores(preferences);
  mean.grid = mean_grid(editors);
  mean.curve = mean_curve(editors);
  mean.sites = sites.mean();
  mean.parameters = parameters.mean();
  mean.edit_seconds = edit.mean();
  mean.judge_seconds = judge.mean();
  mean.before_seconds = before.mean();
  return mean;
}

std::string merged_text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// Adds the settings that differ to the titles of methods with the same label.
void title_methods(std::vector<Method>& methods) {
  std::map<std::string, std::vector<Method*>> by_label;
  for (auto& method : methods) by_label[method.mean.label].push_back(&method);
  for (auto& [label, same] : by_label) {
    std::set<std::string> differing;
    const auto first = without_seed(same.front()->mean.settings);
    for (const auto* method : same)
      for (const auto& patch : json::diff(first, without_seed(method->mean.settings))) {
        auto path = patch["path"].get<std::string>();
        auto end = path.find('/', 1);
        if (path.size() > 1) differing.insert(path.substr(1, end == path.npos ? end : end - 1));
      }
    for (auto* method : same) {
      method->title = label;
      std::vector<std::string> told;
      for (const auto& key : differing)
        if (const auto& settings = method->mean.settings;
            settings.is_object() && settings.contains(key))
          told.push_back(key + "=" + merged_text(settings[key]));
      if (!told.empty()) method->title += fmt::format(" ({})", fmt::join(told, ", "));
    }
  }
}

void add_methods(Block& block, std::vector<std::string>& warnings) {
  std::map<std::string, size_t> known;
  block.method_of.resize(block.runs.size());
  for (size_t r = 0; r < block.runs.size(); ++r)
    for (size_t e = 0; e < block.runs[r]->editors.size(); ++e) {
      const auto& editor = block.runs[r]->editors[e];
      auto key = json::array({editor.label, without_seed(editor.settings), editor.protocol}).dump();
      auto [place, is_new] = known.try_emplace(key, block.methods.size());
      if (is_new) block.methods.emplace_back();
      block.method_of[r].push_back(place->second);
      auto& method = block.methods[place->second];
      bool counted = false;
      for (const auto& source : method.sources) {
        if (block.runs[source.run]->seed != block.runs[r]->seed) continue;
        counted = counted || same_result(block.editor(source), editor);
        if (!counted)
          warnings.push_back(
              fmt::format("{} was measured twice with seed {}, with different results in {} and "
                          "{}; both count",
                          editor.label, block.runs[r]->seed.dump(), block.runs[source.run]->folder,
                          block.runs[r]->folder));
      }
      if (!counted) method.sources.push_back({r, e});
    }
  for (auto& method : block.methods) {
    std::vector<const EditorRun*> editors;
    for (const auto& source : method.sources) editors.push_back(&block.editor(source));
    method.mean = mean_of(editors);
  }
  title_methods(block.methods);
}

void warn_of_differences(const Block& block, std::vector<std::string>& warnings) {
  for (const char* key : {"emend", "libtorch", "device", "threads", "reuse"}) {
    std::set<std::string> values;
    for (const auto* run : block.runs) values.insert(merged_text(run->config.value(key, json())));
    if (values.size() > 1)
      warnings.push_back(fmt::format("runs on {} in one table differ in {}: {}",
                                     block.first().suite, key, fmt::join(values, ", ")));
  }
}

}  // namespace

Merged merge_runs(const std::vector<Run>& runs) {
  Merged merged;
  std::map<std::string, size_t> known;
  std::map<std::string, std::set<std::string>> fingerprints;
  for (const auto& run : runs) {
    if (run.partial)
      merged.warnings.push_back(fmt::format(
          "{} is not finished: its scores are means over the records judged so far", run.folder));
    auto [place, is_new] = known.try_emplace(comparable(run, true).dump(), merged.blocks.size());
    if (is_new) merged.blocks.emplace_back();
    merged.blocks[place->second].runs.push_back(&run);
    auto& models = fingerprints[comparable(run, false).dump()];
    if (models.insert(run.fingerprint).second && models.size() > 1)
      merged.warnings.push_back(
          fmt::format("{} measured {} on another model ({}) and gets a separate table", run.folder,
                      run.suite, run.fingerprint));
  }
  for (auto& block : merged.blocks) {
    add_methods(block, merged.warnings);
    warn_of_differences(block, merged.warnings);
  }
  return merged;
}

}  // namespace emend
