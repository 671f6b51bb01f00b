#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "nn/attachment.h"

namespace emend {

// A bound on the rate of unrelated questions that a memory of edits touches.
//
// The calibration questions are unrelated to all edits, and the memory was made without them. A
// question about a fact that an entry edits is not unrelated, and is left out. The others are a
// sample of the questions about facts that no entry edits, for which the bound holds. Each has a
// distance to the memory: that of its key to the nearest edit's key. The threshold is one of these
// distances, the k-th smallest, and questions nearer than it are in scope. For a fresh question of
// the same kind, the rate below the k-th smallest of n distances has the distribution
// Beta(k, n - k + 1), whatever the distances are, so
//   P(rate > risk) = P(Binomial(n, risk) <= k - 1),
// and k is the largest number for which this is at most 1 - confidence [Clopper and Pearson 1934;
// Vovk 2012, arXiv 1209.2673, Proposition 2a].
struct Certificate {
  double risk = 0.01;        // the largest rate of touched questions
  double confidence = 0.95;  // probability, over calibration sets, that the rate is not larger
  int64_t samples = 0;       // n, the number of calibration questions
  int64_t touched = 0;       // k - 1, the number of them that are in scope
  int64_t left_out = 0;      // calibration questions about facts that are edited, not in n
  double threshold = 0;      // squared distance; a question is in scope if it is nearer

  nlohmann::json json() const;
};

// Returns the largest k for n samples, or 0 if n is too small for any.
int64_t certified_rank(int64_t samples, double risk, double confidence);
// Returns the smallest number of samples for which a threshold exists.
int64_t required_samples(double risk, double confidence);

// distances: (n) squared distances of the calibration questions to the memory. The threshold is at
// most `limit`. Throws emend::Error, which says how many samples it takes, if n is too small.
// `left_out`: the number of questions that are not among them, because an entry edits their facts.
Certificate certify(const at::Tensor& distances, double risk, double confidence, double limit,
                    int64_t left_out = 0);

}  // namespace emend
