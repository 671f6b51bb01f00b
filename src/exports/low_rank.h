#pragma once

#include <optional>
#include <string>

#include "nn/attachment.h"

namespace emend {

// The rank of the changes in an adapter.
struct LowRankOptions {
  // Dense changes are approximated by a singular value decomposition: with this rank; or, if none,
  // with the smallest rank whose relative error (Frobenius norm) is at most `max_error`.
  std::optional<int64_t> rank;
  double max_error = 1e-3;
};

// The factors of a weight change: up (out, r) and down (r, in), float32.
struct LowRankFactors {
  at::Tensor up, down;
  double error = 0;  // relative error of the approximation; 0: exact
};

// A layer in an adapter.
struct AdaptedLayer {
  std::string site;
  int64_t rank = 0;
  double error = 0;
};

// The factors of a low-rank change as they are, and of a dense change by its truncated singular
// value decomposition. Throws emend::Error if the factors would be larger than a dense change and
// no rank is given. `site` is named in errors.
LowRankFactors factors_of(const std::string& site, const WeightDelta& change,
                          const LowRankOptions& options);

}  // namespace emend
