#pragma once

#include <functional>
#include <string>
#include <vector>

#include "evaluation/edits/edit_job.h"

namespace emend {

// Measures the probes of one edit in parts, so that memory does not depend on their number: a
// part's pictures and passes are dropped when it has been measured. The results then have the names
// of drawn pictures, without their pixels.
class ProbeMeasurement {
 public:
  struct Hooks {
    // Called when each side of the first part begins. `all`: there is no other part.
    std::function<void(size_t probes, bool all)> before, after;
    std::function<void(size_t probes)> measured;  // between parts: the probes so far
  };
  // `base`, `edited`: the interventions before and after the edit. All arguments but the hooks must
  // outlive the object.
  ProbeMeasurement(const Vlm& vlm, const EditJob::Edit& edit, const Interventions& base,
                   const Interventions& edited, Hooks hooks);

  // A locality probe without an answer gets the model's answer before the edit.
  void add(Probe probe);
  RecordResult finish();

 private:
  void measure_part(bool last);
  void fill_answers();

  const Vlm& vlm_;
  const EditJob::Edit& edit_;
  const Interventions &base_, &edited_;
  Hooks hooks_;
  Record part_;  // the edit with the probes that were not measured yet
  RecordResult measured_;
};

}  // namespace emend
