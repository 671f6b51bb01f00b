#include "editing/editors/locate/solve/null_space.h"

#include <fmt/format.h>

#include <cmath>
#include <tuple>

#include "io/error.h"

namespace emend {
namespace {

// The number of directions with which an update disturbs other inputs least. The update of a key k
// is proportional to P k, and its effect on an input with the covariance C, relative to its effect
// on k, is k^T P C P k / (k^T P k)^2. Over keys with the covariance C: sum(v^2) / sum(v)^2 of the
// eigenvalues v of the null space.
int64_t dimension_of_least_effect(const at::Tensor& values) {
  const auto effect = values.square().cumsum(0) / values.cumsum(0).square();
  return at::argmin(effect.nan_to_num(INFINITY, INFINITY)).item<int64_t>() + 1;
}

}  // namespace

NullSpace NullSpace::of(const std::string& site, const at::Tensor& covariance,
                        const Choice& choice) {
  const auto [values, vectors] = at::linalg_eigh(covariance);  // ascending
  const auto size = values.size(0);
  // Rounding noise of directions without energy is no energy.
  const auto positive = values.masked_fill(values < 1e-12 * values[size - 1], 0);
  const bool has_energy = size > 1 && positive[size - 2].item<double>() > 0;
  if (!has_energy)
    throw Error("editing::alphaedit",
                fmt::format("the covariance of {} has energy in one direction at most", site),
                "compute the statistics from more samples");
  const auto share = positive.cumsum(0) / positive.slice(0, 0, size - 1).sum();
  NullSpace space;
  if (choice.threshold > 0)
    space.dimension = (values < choice.threshold).sum().item<int64_t>();
  else if (choice.energy > 0)
    space.dimension = (share <= choice.energy).sum().item<int64_t>();
  else
    space.dimension = dimension_of_least_effect(positive.slice(0, 0, size - 1));
  if (space.dimension == 0)
    throw Error(
        "editing::alphaedit",
        fmt::format("the null space of {} is empty: the smallest eigenvalue is {:.3g}, and the "
                    "mean is {:.3g}",
                    site, values[0].item<double>(), values.mean().item<double>()),
        choice.threshold > 0 ? "increase nullspace_threshold"
                             : "increase null_space_energy, or set it to 0, or lower the ridge");
  space.energy = share[space.dimension - 1].item<double>();
  space.protected_basis = vectors.slice(1, space.dimension).contiguous();
  return space;
}

}  // namespace emend
