#include "exports/low_rank.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "io/error.h"

namespace emend {
namespace {

constexpr const char* kLowRankPlace = "exports::low_rank";

}  // namespace

LowRankFactors factors_of(const std::string& site, const WeightDelta& change,
                          const LowRankOptions& options) {
  const at::NoGradGuard no_grad;
  if (change.low_rank()) return {change.up.contiguous(), change.down.contiguous()};
  const auto& dense = change.dense;
  const auto svd = at::linalg_svd(dense.to(at::kDouble), /*full_matrices=*/false);
  const auto& values = std::get<1>(svd);
  const auto energy = values.square();
  const auto total = energy.sum().item<double>();
  // The squared error of each rank: what the singular values behind it hold.
  const auto rest = (total - energy.cumsum(0)).clamp_min(0);
  const auto error_of = [&](int64_t rank) {
    return total > 0 ? std::sqrt(rest[rank - 1].item<double>() / total) : 0;
  };
  const auto largest = values.size(0);
  auto rank = std::min(options.rank.value_or(1), largest);
  if (!options.rank) {
    while (rank < largest && error_of(rank) > options.max_error) ++rank;
    if (rank * (dense.size(0) + dense.size(1)) >= dense.numel())
      throw Error(
          kLowRankPlace,
          fmt::format("the dense change of '{}' needs rank {} for an error of {:g}, so that "
                      "an adapter would be larger than the change",
                      site, rank, options.max_error),
          "give a --rank or a larger --max-error; or use `--to hf`, which is exact; or make "
          "the edit with lora");
  }
  const auto scaled = values.narrow(0, 0, rank);
  return {(std::get<0>(svd).narrow(1, 0, rank) * scaled).to(at::kFloat).contiguous(),
          std::get<2>(svd).narrow(0, 0, rank).to(at::kFloat).contiguous(), error_of(rank)};
}

}  // namespace emend
