#pragma once

#include <map>
#include <optional>
#include <vector>

#include "editing/editors/serac/serac.h"

namespace emend {

// A patch's memory at work: mixes into a running model's logits what the counterfactual model says
// to the questions near an edit. Refers to `vlm` and `store`.
class SeracRecall {
 public:
  // Throws emend::Error when the memory's tensors do not fit the model.
  SeracRecall(const Vlm& vlm, const Patch& patch, ActivationStore* store);
  // Intervention::mix. Hard: the very bits of the lines of questions out of scope.
  at::Tensor mix(const Pass& pass, const at::Tensor& logits) const;

 private:
  // What the memory says about a batch.
  struct Answer {
    at::Tensor rows;      // (R) the batch's rows that it is about
    at::Tensor distance;  // (R) squared, to the nearest edit
    at::Tensor lines;     // (K) lines of the flattened logits, each beside one of pass.logits()
    at::Tensor row_of;    // (K) of each line, index into `rows`
    Pass pass;            // the counterfactual model's
  };
  // The first pass over a batch's questions.
  Answer begin(const Pass& pass) const;
  // The next token of each row, while an answer is generated.
  void go_on(const Pass& pass, Answer& answer) const;
  at::Tensor mixed(const Answer& answer, const at::Tensor& logits) const;

  const Vlm& vlm_;
  ActivationStore* store_;
  SeracSettings settings_;
  SeracTrained trained_;
  std::vector<Told> told_;               // by entry
  std::vector<Projection> projections_;  // by entry, of the paper's reproduction
  at::Tensor embedded_;                  // (entries, width)
};

}  // namespace emend
