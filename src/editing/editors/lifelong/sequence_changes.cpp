#include "editing/editors/lifelong/sequence_changes.h"

#include <algorithm>

#include "editing/editors/locate/solve/closed_form.h"

namespace emend {

void SequenceSettings::declare(SettingList& list) {
  list.number("sphere", sphere, 0, 1,
              "strength with which a change leaves the leading directions of the weight unchanged "
              "(SPHERE; published 0.5); 0: off");
  list.alias("suppression_strength", "sphere");
  list.number("sphere_ratio", sphere_ratio, 0, 1,
              "cumulative share of the eigenvalues of the leading directions");
  list.alias("cumulative_ratio", "sphere_ratio");
  list.number("simie", simie, 0, 1e9,
              "ridge of the history of keys, relative to the mean squared norm of the keys of the "
              "edit (SimIE): a change acts on its own keys and preserves those of earlier edits "
              "that have this setting; 0: off");
}

at::Tensor leading_directions(const at::Tensor& weight, double ratio) {
  auto rows = weight.to(at::kDouble);
  rows = rows / rows.norm(2, 1, /*keepdim=*/true).clamp_min(1e-12);
  const auto [values, vectors] = at::linalg_eigh(at::matmul(rows.t(), rows) / rows.size(0));
  const auto descending = values.flip(0).clamp_min(0);
  const auto share = descending.cumsum(0) / descending.sum();
  const auto size = descending.size(0);
  const auto count = std::min(size, (share <= ratio).sum().item<int64_t>() + 1);
  return vectors.slice(1, size - count).contiguous();
}

WeightDelta without_directions(const WeightDelta& change, const at::Tensor& directions,
                               double strength) {
  const auto project = [&](const at::Tensor& rows) {
    const auto wide = rows.to(at::kDouble);
    const auto inside = at::matmul(at::matmul(wide, directions), directions.t());
    return (wide - strength * inside).to(at::kFloat).contiguous();
  };
  if (change.low_rank()) return {{}, change.up, project(change.down)};
  return {project(change.dense), {}, {}};
}

WeightDelta within_keys(const WeightDelta& change, const at::Tensor& keys,
                        const at::Tensor& history, double ridge) {
  const auto wide = [](const at::Tensor& tensor) { return tensor.to(at::kDouble); };
  const auto residuals = change.low_rank()
                             ? at::matmul(wide(change.up), at::matmul(wide(change.down), keys))
                             : at::matmul(wide(change.dense), keys);
  return least_squares_update([ridge](const at::Tensor& x) { return x / ridge; }, history, keys,
                              residuals);
}

at::Tensor keys_at(const std::vector<SiteKeys>& history, const std::string& site) {
  std::vector<at::Tensor> keys;
  for (const auto& earlier : history)
    if (earlier.site == site) keys.push_back(earlier.keys.t().to(at::kDouble));
  return keys.empty() ? at::Tensor() : at::cat(keys, 1);
}

at::Tensor SequenceChanges::directions(const Vlm& vlm, const Site& site, double ratio) const {
  const std::lock_guard lock(mutex_);
  auto& known = directions_[vlm.fingerprint() + " " + site.name];
  if (!known.defined()) known = leading_directions(vlm.model->weight(site), ratio);
  return known;
}

WeightDelta SequenceChanges::adapt(const SequenceSettings& settings, const Vlm& vlm,
                                   const Site& site, const WeightDelta& change,
                                   const at::Tensor& keys, const at::Tensor& history) const {
  at::NoGradGuard no_grad;
  const auto device = (change.low_rank() ? change.up : change.dense).device();
  auto adapted = change;
  if (settings.simie > 0) {
    const auto own = keys.to(device, at::kDouble);
    const double size = own.square().sum(0).mean().item<double>();
    adapted = within_keys(adapted, own, history.defined() ? history.to(device) : history,
                          settings.simie * std::max(size, 1e-12));
  }
  if (settings.sphere > 0)
    adapted =
        without_directions(adapted, directions(vlm, site, settings.sphere_ratio), settings.sphere);
  return adapted;
}

}  // namespace emend
