#pragma once

#include <vector>

#include "editing/editors/memory/scoped_answer.h"
#include "editing/editors/serac/serac.h"

namespace emend {

// Applies the memory of a patch: for questions in the scope of an edit, mixes the logits of the
// counterfactual model into those of the running model. Keeps references to `vlm` and `store`.
class SeracMixer {
 public:
  // Throws emend::Error if tensors of the memory do not fit the model.
  SeracMixer(const Vlm& vlm, const Patch& patch, ActivationStore* store);
  // Intervention::mix. With hard mixing, logits of questions out of scope keep their bits.
  at::Tensor mix(const Pass& pass, const at::Tensor& logits) const;

 private:
  // The counterfactual answers for a batch.
  struct Answer {
    ScopedAnswer scoped;
    at::Tensor distance;  // (rows in scope) squared distance to the nearest edit
  };
  // The first pass for the questions of a batch.
  Answer begin(const Pass& pass) const;
  at::Tensor mixed(const Answer& answer, const at::Tensor& logits) const;

  const Vlm& vlm_;
  ActivationStore* store_;
  SeracSettings settings_;
  SeracState state_;
  std::vector<EditPrefix> prefixes_;     // for each entry
  std::vector<Projection> projections_;  // for each entry, only for module `paper`
  at::Tensor embedded_;                  // (entries, width)
};

}  // namespace emend
