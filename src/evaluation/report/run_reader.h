#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "suites/record.h"

namespace emend {

// What a report needs of results.json. Scores are shares, 0 to 1.
struct GroupScore {
  double score = 0;
  std::optional<double> error;  // of one run: standard error over records; of several: deviation
  std::optional<double> generated, vqa;
  int64_t probes = 0;
  std::optional<double> when_made;  // sequential mode: judged right after each edit
};
using GroupScores = std::map<Group, GroupScore>;

struct GridCell {
  std::string text, image, expects;
  double score = 0;
  std::optional<double> generated;
  int64_t probes = 0;
};

struct CurvePoint {
  int64_t edits = 0;
  int64_t judged = 0;
  GroupScores groups;
};

struct Failure {
  std::string record, when, reason;  // when: what was being done
};

struct EditorRun {
  std::string label, name;
  nlohmann::json settings;
  nlohmann::json protocol;  // null: judged as the run says
  int64_t records = 0;
  std::vector<Failure> failed;
  GroupScores groups;
  std::vector<GridCell> grid;
  std::vector<CurvePoint> curve;
  std::optional<double> sites, numbers;                               // of its patches
  std::optional<double> edit_seconds, judge_seconds, before_seconds;  // means
};

struct Run {
  std::string folder;
  nlohmann::json config;
  std::string suite, mode, fingerprint;
  nlohmann::json seed;   // as written: null where the run has none
  int64_t original = 0;  // records asked for
  bool partial = false;  // not finished
  std::vector<EditorRun> editors;
};

// FOLDER/results.json. Throws emend::Error for anything that docs/results.md does not allow.
Run read_run(const std::string& folder);

// Throws emend::Error that names `where` when no group has this name.
Group group_named(const std::string& name, const std::string& where);

// A number from 0 to 1 (or null, where optional); `where` is named when it is something else.
double read_share(const nlohmann::json& object, const char* key, const std::string& where);
std::optional<double> read_optional_share(const nlohmann::json& object, const char* key,
                                          const std::string& where);

}  // namespace emend
