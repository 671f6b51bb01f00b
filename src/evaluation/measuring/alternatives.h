#pragma once

#include "evaluation/measuring/baseline.h"

namespace emend {

// Teacher-forced batches of the probes that have an alternative, with the alternative as the
// answer. None if the protocol judges generated answers, whose scores do not see the answers.
std::vector<ProbeBatch> make_alternative_batches(const Vlm& vlm,
                                                 const std::vector<ProbeQuery>& queries,
                                                 const Protocol& protocol, bool few);

// The mean log-probability of the tokens of an answer. logits: (n, V), which predict its n tokens.
double mean_log_probability(const at::Tensor& logits, const std::vector<int64_t>& answer);

// The same for the answer of each row of a batch under `interventions`.
std::vector<double> answer_log_probabilities(const Vlm& vlm, const Baseline& baseline,
                                             const ProbeBatch& batch,
                                             const Interventions& interventions);

}  // namespace emend
