#pragma once

#include <functional>
#include <set>

#include "evaluation/report/run_reader.h"

namespace emend {

// A line of samples.jsonl.
struct SampleProbe {
  Group group = Group::reliability;
  std::string text, picture;  // edited, similar, unrelated, none
  std::string image;          // empty: none
  std::string prompt, expected, before, after;
  double score = 0;
  std::optional<double> generated, vqa;

  // Whether the target is missed by the protocol's score, or an answer changed that should not
  // change.
  bool wrong() const { return is_locality(group) ? generated.value_or(score) < 1 : score < 1; }
};

// A line of samples.jsonl.
struct Sample {
  std::string editor, record, image, prompt, target, truth;
  std::optional<int64_t> steps, after_edits;
  std::optional<bool> holds;
  bool again = false;  // sequential mode: a later judgment of an earlier edit
  std::string failed;  // the reason of a failure; empty if there is none
  std::vector<SampleProbe> probes;
};

// Calls `visit` with (line, sample) for every line of the run's samples.jsonl, or for those in
// `only`. Only one line at a time is in memory. A missing file has no samples. Throws emend::Error
// with the line for anything that docs/results.md does not allow.
void read_samples(const Run& run, const std::function<void(int64_t, Sample&&)>& visit,
                  const std::set<int64_t>* only = nullptr);

// Facts about a record from one pass over the file.
struct SampledRecord {
  std::string id, prompt, target;
  std::vector<int64_t> lines;
  int64_t probes = 0, wrong = 0;  // over all editors but `base`
};

// All records in file order. Throws emend::Error when the lines contradict results.json (editors,
// counts or means).
std::vector<SampledRecord> survey_samples(const Run& run);

}  // namespace emend
