#pragma once

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/measuring/baseline.h"
#include "evaluation/measuring/preferences.h"

namespace emend {

// The answers to a probe and its scores, each from 0 to 1.
struct ProbeResult {
  ProbeQuery query;
  std::string before, after;  // answers: generated, or the top-1 tokens under teacher forcing
  double score = 0;           // protocol score: accuracy, or for locality the agreement with before
  double generated = 0;       // 1 when the answer is the expected one (locality: as before)
  double vqa = 0;  // the same after VQA normalization (articles, punctuation, number words)
  std::optional<Preference> preference;  // after the edit, if the probe has an alternative
};

// Means of a group over `probes` probes.
struct Score {
  double score = 0;
  double generated = 0;
  double vqa = 0;
  int64_t probes = 0;
  // Standard error of `score`: sample deviation / sqrt(records). NaN for a single record.
  double error = std::numeric_limits<double>::quiet_NaN();
};

// The means of a record; groups without probes are absent.
std::map<Group, Score> means_by_group(const std::vector<ProbeResult>& probes);

// The measurement of a record.
struct RecordResult {
  std::vector<ProbeResult> probes;
  std::map<Group, Score> scores;  // means_by_group(probes)
};

// `interventions`: everything that is applied, base and edit. Their `rows` (a scope) index
// Baseline::queries. Throws emend::Error when the edited model's logits are NaN, and when a
// rewritten request is longer than before although the protocol compares equal lengths only.
RecordResult measure(const Vlm& vlm, const Baseline& baseline, const Interventions& interventions);

}  // namespace emend
