#include "editing/editors/locate/solve/null_space.h"

#include <fmt/format.h>

#include <tuple>

#include "io/error.h"

namespace emend {

NullSpace NullSpace::of(const std::string& site, const at::Tensor& covariance,
                        const Choice& choice) {
  const auto [values, vectors] = at::linalg_eigh(covariance);  // ascending
  const auto size = values.size(0);
  const auto share =
      values.clamp_min(0).cumsum(0) / values.slice(0, 0, size - 1).clamp_min(0).sum();
  const auto inside = choice.threshold > 0 ? values < choice.threshold : share <= choice.energy;
  NullSpace space;
  space.dimension = inside.sum().item<int64_t>();
  if (space.dimension == 0)
    throw Error(
        "editing::alphaedit",
        fmt::format("the null space of {} is empty: the smallest eigenvalue is {:.3g}, of a "
                    "mean of {:.3g}",
                    site, values[0].item<double>(), values.mean().item<double>()),
        choice.threshold > 0 ? "increase nullspace_threshold"
                             : "increase null_space_energy, or lower the ridge");
  space.energy = share[space.dimension - 1].item<double>();
  space.protected_basis = vectors.slice(1, space.dimension).contiguous();
  return space;
}

}  // namespace emend
