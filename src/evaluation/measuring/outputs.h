#pragma once

#include "evaluation/measuring/baseline.h"

namespace emend {

// The results of one side of a measurement (before or after the edit) for a batch, by row.
struct ModelOutputs {
  std::vector<std::vector<int64_t>> answers;  // tokens: generated, or top-1 under teacher forcing
  std::vector<at::Tensor> ranks;              // (positions, k) of a teacher-forced locality row
  std::vector<double> right;                  // the accuracy of other teacher-forced rows
  // Mean log-probabilities of the answers of teacher-forced rows that have an alternative.
  std::vector<double> log_probabilities;
};

// Runs the batch under `interventions`. If batch.ranks are known, only the positions that are
// compared with them are ranked: the last ones, if a request is longer now. Throws emend::Error for
// logits that are NaN, and for unequal lengths if the protocol does not compare them.
ModelOutputs evaluate_batch(const Vlm& vlm, const Baseline& baseline, const ProbeBatch& batch,
                            const Interventions& interventions);

}  // namespace emend
