#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/patches/merge.h"
#include "evaluation/bench/exam.h"
#include "evaluation/bench/oracle.h"
#include "evaluation/measuring/measure.h"
#include "suites/suite.h"

namespace emend {

// An editor in a comparison.
struct Candidate {
  std::string label;
  std::unique_ptr<Editor> editor;  // null: base, the unedited model, or the oracle
  Protocol protocol;
  MergedPatch edits = {};                // sequential mode: all its edits so far
  std::set<size_t> failed_records = {};  // sequential mode: records whose edit failed
  std::optional<Oracle> oracle = {};

  bool edits_records() const { return editor || oracle; }
};

// A record that is being judged. It is read and measured before any edit when it is first needed.
struct RecordState {
  size_t index;
  std::optional<Record> record = {};
  std::map<std::string, Baseline> baselines = {};  // by protocol, or by editor without reuse
};

// The result of one edit of one or several records.
struct AppliedEdit {
  Interventions changes;                            // in sequential mode with the earlier edits
  nlohmann::json facts = nlohmann::json::object();  // steps, holds, patch
  std::optional<Patch> patch = {};
  std::string failure;  // why there is no patch; empty if there is one
  double seconds = 0;   // for each record
};

// Judges one candidate on one record at a time. A failure of a record (unreadable picture, NaN, out
// of memory) becomes a line with its reason.
class Judge {
 public:
  Judge(const Vlm& vlm, const Suite& suite, ActivationStore* store, bool reuse,
        const std::vector<Candidate>& candidates);

  // Makes one edit of all records that can be read. `keep` adds it to the candidate's earlier
  // edits.
  AppliedEdit make(Candidate& candidate, std::vector<RecordState>& states, bool keep);

  struct Verdict {
    nlohmann::json sample;  // without the fields that the run adds
    nlohmann::json timing;
  };
  // Makes one edit of the records [begin, end) by each candidate, judges it on each record, and
  // removes it. The verdicts are in the order of records, and of candidates within a record. When
  // `stopped` returns true, the rest is left out.
  std::vector<Verdict> judge_edits(std::vector<Candidate>& candidates, size_t begin, size_t end,
                                   const std::function<bool()>& stopped);
  // `edit`: null for an earlier edit, which is among the candidate's edits.
  Verdict judge(const Candidate& candidate, RecordState& state, const AppliedEdit* edit);
  // The number of questions that the model with the candidate's edits answers rightly.
  size_t exam(const Exam& exam, const Candidate& candidate) const;

 private:
  const Record& read(RecordState& state) const;
  const Baseline& baseline(const Candidate& candidate, RecordState& state, double& seconds);

  const Vlm& vlm_;
  const Suite& suite_;
  ActivationStore* store_;
  MeasureOptions options_;
};

}  // namespace emend
