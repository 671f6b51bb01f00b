#pragma once

#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "suites/groups.h"

namespace emend {

// Which of two answers of a probe a model prefers under teacher forcing: the expected answer or the
// alternative. The probability of an answer is P = exp(mean log-probability of its tokens), as in
// the evaluation of ROME [arXiv 2202.05262].
struct Preference {
  double expected = 0, alternative = 0;  // mean log-probabilities

  bool success() const { return expected > alternative; }
  double magnitude() const;  // P(expected) - P(alternative)
};

// The scores of the literature on CounterFact, which are preferences of a group of probes.
struct PreferenceInfo {
  Group group;
  const char* name;      // in files: efficacy_score
  const char* title;     // in tables: Efficacy score
  const char* question;  // what the score measures, as a question for a reader
};
// In the order of tables.
const std::vector<PreferenceInfo>& preference_infos();

// Means over records.
struct PreferenceScore {
  double score = 0;  // share of probes with success
  double magnitude = 0;
  int64_t probes = 0;
  // Standard error of `score`: sample deviation / sqrt(records). NaN for a single record.
  double error = std::numeric_limits<double>::quiet_NaN();
};
nlohmann::json to_json(const std::map<Group, PreferenceScore>& scores);

struct RecordResult;

// Unweighted means over records of each record's means. Probes without an alternative do not count.
class PreferenceAverages {
 public:
  void add(const RecordResult& measured);
  std::map<Group, PreferenceScore> scores() const;

 private:
  struct Sums {
    PreferenceScore mean;
    double squares = 0;  // squared deviations of the score
    int64_t records = 0;
  };
  std::map<Group, Sums> groups_;
};

}  // namespace emend
