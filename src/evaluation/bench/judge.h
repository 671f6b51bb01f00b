#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/patches/merge.h"
#include "evaluation/measuring/measure.h"
#include "suites/suite.h"

namespace emend {

// An editor in a comparison.
struct Candidate {
  std::string label;
  std::unique_ptr<Editor> editor;  // null: base, the model unedited
  Protocol protocol;
  MergedPatch edits = {};        // sequential mode: all its edits so far
  std::set<size_t> unmade = {};  // sequential mode: records whose edit failed
};

// A record while editors are judged on it. Read, and measured before any edit, when first needed.
struct Subject {
  size_t index;
  std::optional<Record> record = {};
  std::map<std::string, Before> befores = {};  // by who shares it
};

// What a candidate's editor did about the records of one edit.
struct Made {
  Interventions changes;  // with those before it, where edits pile up
  nlohmann::json facts;   // steps, holds, patch
  std::optional<Patch> patch = {};
  std::string failure;  // why there is no patch; else empty
  double seconds = 0;   // for each record
};

// Judges one candidate on one record at a time. What goes wrong with a record (unreadable, not a
// number, out of memory) becomes a line that says so.
class Judge {
 public:
  Judge(const Vlm& vlm, const Suite& suite, ActivationStore* store, bool reuse,
        const std::vector<Candidate>& candidates);

  // One edit of all records that can be read. `pile`: it stays on the candidate, with those before
  // it.
  Made make(Candidate& candidate, std::vector<Subject>& subjects, bool pile);

  struct Verdict {
    nlohmann::json sample;  // without what only the run knows
    nlohmann::json timing;
  };
  // `made`: null for an edit that lies behind, which is among the candidate's edits.
  Verdict judge(const Candidate& candidate, Subject& subject, const Made* made);

 private:
  const Record& read(Subject& subject) const;
  const Before& before(const Candidate& candidate, Subject& subject, double& seconds);

  const Vlm& vlm_;
  const Suite& suite_;
  ActivationStore* store_;
  MeasureOptions options_;
};

}  // namespace emend
