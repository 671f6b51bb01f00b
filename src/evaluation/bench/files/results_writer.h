#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "evaluation/measuring/averages.h"

namespace emend {

// Makes results.json (docs/results.md) from run.json and the lines of samples.jsonl and
// timings.jsonl. Nothing else is used, so that a resumed run gives the same results. Memory grows
// only with the number of failures.
class Results {
 public:
  // run: {"config": {...}, "editors": [{label, name, settings, protocol?}, ...]}.
  explicit Results(nlohmann::json run);

  // Throws emend::Error when the line has an editor that is not in the run.
  void add(const nlohmann::json& sample);
  void add_timing(const nlohmann::json& timing);

  // `original`: number of records in the suite.
  nlohmann::json json(size_t original, bool partial) const;
  // Labels of editors that failed on every record, with the first reason.
  std::map<std::string, std::string> failed_editors() const;

 private:
  struct Tally {
    Averages averages;
    PreferenceAverages preferences;
    int64_t failed = 0;
  };
  struct Seconds {
    double sum = 0;
    int64_t count = 0;

    void add(double value) {
      sum += value;
      ++count;
    }
    double mean() const { return sum / static_cast<double>(count); }
  };
  struct EditorTally {
    Tally after_edit;
    std::map<int64_t, Tally> again;            // sequential mode: by number of edits
    std::map<int64_t, nlohmann::json> failed;  // by the record's index
    int64_t sites = 0, parameters = 0;
    std::map<std::string, Seconds> seconds;
    // Sequential mode, by number of edits: of each edit, and of later judgments.
    std::map<int64_t, Seconds> edit_seconds, again_seconds;
    int64_t judgments = 0;
  };

  EditorTally& of(const nlohmann::json& line);
  const Tally& last(const EditorTally& editor) const;
  static nlohmann::json cost_curve(const EditorTally& editor);

  nlohmann::json run_;
  std::map<std::string, EditorTally> editors_;
};

}  // namespace emend
