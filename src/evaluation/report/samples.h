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

  // A target that the protocol's measure misses; an answer that should have stayed and did not.
  bool wrong() const { return is_locality(group) ? generated.value_or(score) < 1 : score < 1; }
};

struct Sample {
  std::string editor, record, image, prompt, target, truth;
  std::optional<int64_t> steps, after_edits;
  std::optional<bool> holds;
  bool again = false;  // sequential mode: an earlier edit, judged again
  std::string failed;  // the reason, empty when it did not
  std::vector<SampleProbe> probes;
};

// Calls `visit` with (line, sample) for every line of the run's samples.jsonl, or for those in
// `only`; one line at a time is in memory. No file: no samples. Throws emend::Error that names the
// line for anything that docs/results.md does not allow.
void read_samples(const Run& run, const std::function<void(int64_t, Sample&&)>& visit,
                  const std::set<int64_t>* only = nullptr);

// What is known of a record after one look through the file.
struct SampledRecord {
  std::string id, prompt, target;
  std::vector<int64_t> lines;
  int64_t probes = 0, wrong = 0;  // over all editors but `base`
};

// All records, in the order of the file. Throws emend::Error when the lines and results.json tell
// different things (other editors, other counts, other means).
std::vector<SampledRecord> survey_samples(const Run& run);

}  // namespace emend
