#pragma once

#include "evaluation/measuring/measure.h"

namespace emend {

// What one side of a measurement, before or after, says of a batch; by row.
struct Side {
  std::vector<std::vector<int64_t>> answers;  // tokens: generated, or the best while forced
  std::vector<at::Tensor> ranks;              // (positions, k) of a forced locality row
  std::vector<double> right;                  // the accuracy of any other forced row
};

// Runs the batch under `interventions`. Where batch.ranks are known, only the positions that can be
// compared with them are ranked: the last ones, when a request is longer now. Throws emend::Error
// for logits that are NaN, and for unequal lengths where the protocol does not compare them.
Side side_of(const Vlm& vlm, const Before& before, const AskedBatch& batch,
             const Interventions& interventions);

}  // namespace emend
