#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "editing/settings/sweep.h"
#include "suites/groups.h"

namespace emend {

// The parts of results.json that a report needs. Scores are between 0 and 1.
struct GroupScore {
  double score = 0;
  std::optional<double> error;  // one run: standard error; several runs: standard deviation
  std::optional<double> generated, vqa;
  int64_t probes = 0;
  std::optional<double> after_edit;  // sequential mode: judged right after each edit
};
using GroupScores = std::map<Group, GroupScore>;
// Scores that compare probabilities, by PreferenceInfo::name. They have no generated answers.
using PreferenceScores = std::map<std::string, GroupScore>;

// A cell of the T x I grid (De-VQA).
struct GridCell {
  std::string text, image, expects;
  double score = 0;
  std::optional<double> generated;
  int64_t probes = 0;
};

// The scores of the edits so far after a number of edits of a sequential run.
struct CurvePoint {
  int64_t edits = 0;
  int64_t judged = 0;
  GroupScores groups;
  PreferenceScores preferences = {};
  std::optional<double> edit_seconds = {}, judge_seconds = {};  // means of edits, of judgments
};

// A record that could not be edited or measured.
struct Failure {
  std::string record, when, reason;  // `when`: the step that failed
};

// The results of one editor in a run.
struct EditorRun {
  std::string label, name;
  nlohmann::json settings;
  nlohmann::json protocol;  // null: the protocol of the run
  int64_t records = 0;
  std::vector<Failure> failed;
  GroupScores groups;
  PreferenceScores preferences;
  std::vector<GridCell> grid;
  std::vector<CurvePoint> curve;
  std::optional<double> sites, parameters;                            // of its patches
  std::optional<double> edit_seconds, judge_seconds, before_seconds;  // means
};

// The exam of an editor after some edits; of the base before any.
struct ExamResult {
  std::string editor;
  int64_t edits = 0, questions = 0, right = 0;
};

// The content of results.json.
struct Run {
  std::string folder;
  nlohmann::json config;
  std::string suite, mode, fingerprint;
  nlohmann::json seed;   // null if the run has no seed
  int64_t original = 0;  // number of requested records
  bool partial = false;  // not finished
  std::optional<Sweep> sweep;
  std::vector<EditorRun> editors;
  std::vector<ExamResult> exam;
};

// Reads FOLDER/results.json. Throws emend::Error for anything that docs/results.md does not allow.
Run read_run(const std::string& folder);

// Throws emend::Error with `where` for an unknown group.
Group group_named(const std::string& name, const std::string& where);

// Reads a number from 0 to 1 (or null if optional). Errors contain `where`.
double read_share(const nlohmann::json& object, const char* key, const std::string& where);
std::optional<double> read_optional_share(const nlohmann::json& object, const char* key,
                                          const std::string& where);

}  // namespace emend
