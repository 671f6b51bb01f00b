#include "editing/patches/merged_patches.h"

#include <algorithm>

#include "editing/registry.h"

namespace emend {
namespace {

bool same(const std::map<std::string, at::Tensor>& a, const std::map<std::string, at::Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && (x.second.is_same(y.second) || at::equal(x.second, y.second));
  });
}

// The settings with the defaults of those that they lack, which patches of earlier versions may. So
// the default of a new setting must be the earlier behavior.
nlohmann::json completed(nlohmann::json given, const std::vector<SettingInfo>& known) {
  if (!given.is_object()) return given;
  for (const auto& setting : known)
    if (!given.contains(setting.name)) given[setting.name] = setting.value;
  given.erase("checkpoint");  // where the network was read, not how it reads
  return given;
}

bool settings_alike(const Patch& a, const Patch& b) {
  if (a.settings == b.settings && a.memory.reading == b.memory.reading) return true;
  for (const auto& info : editor_infos())
    if (info.name == a.editor)
      return completed(a.settings, info.settings) == completed(b.settings, info.settings) &&
             completed(a.memory.reading, info.training_settings) ==
                 completed(b.memory.reading, info.training_settings);
  return false;
}

// Whether one editor can read both memories with the same network and settings.
bool read_alike(const Patch& a, const Patch& b) {
  return a.editor == b.editor && settings_alike(a, b) && same(a.memory.network, b.memory.network);
}

}  // namespace

void MergedPatches::add(const Patch& patch) {
  add_weights(patch);
  add_keys(patch);
  if (!patch.memory.entries.empty()) add_memory(patch);
}

void MergedPatches::add_weights(const Patch& patch) {
  at::NoGradGuard no_grad;
  auto find = [&](const std::string& site, bool low_rank) {
    return std::find_if(sums_.begin(), sums_.end(), [&](const Intervention& sum) {
      return sum.where == site && sum.delta.low_rank() == low_rank;
    });
  };
  for (const auto& [site, delta] : patch.deltas) {
    auto sum = find(site, delta.low_rank());
    if (sum == sums_.end()) {
      sums_.push_back(on_weights({{site, delta}}).front());
      continue;
    }
    // The tensors are new ones, because the patches keep their own.
    auto& total = sum->delta;
    if (!delta.low_rank()) {
      total.dense = total.dense + delta.dense;
      continue;
    }
    total.up = at::cat({total.up, delta.up}, 1);
    total.down = at::cat({total.down, delta.down}, 0);
    const auto out = total.up.size(0), in = total.down.size(1), rank = total.up.size(1);
    if (rank * (out + in) <= out * in) continue;
    auto dense = find(site, false);
    if (dense == sums_.end()) {
      total = {total.materialized(), {}, {}};
    } else {
      dense->delta.dense = dense->delta.dense + total.materialized();
      sums_.erase(sum);
    }
  }
}

void MergedPatches::add_keys(const Patch& patch) {
  for (const auto& own : patch.keys) {
    const auto known = std::find_if(keys_.begin(), keys_.end(), [&](const SiteKeys& other) {
      return other.site == own.site && other.gradients.defined() == own.gradients.defined();
    });
    if (known == keys_.end()) {
      keys_.push_back(own);
      continue;
    }
    known->keys = at::cat({known->keys, own.keys}, 0);
    if (own.gradients.defined()) known->gradients = at::cat({known->gradients, own.gradients}, 0);
  }
}

void MergedPatches::add_memory(const Patch& patch) {
  cached_.reset();
  auto found = std::find_if(memories_.begin(), memories_.end(),
                            [&](const Patch& other) { return read_alike(other, patch); });
  if (found != memories_.end()) {
    for (const auto& entry : patch.memory.entries) found->memory.add(entry);
    return;
  }
  memories_.push_back(patch);
  memories_.back().deltas.clear();
  memories_.back().keys.clear();
  memories_.back().memory.growing = true;
}

std::vector<SiteDelta> MergedPatches::deltas() const {
  std::vector<SiteDelta> all;
  for (const auto& sum : sums_) all.push_back({sum.where, sum.delta});
  return all;
}

Interventions MergedPatches::interventions(const Vlm& vlm, ActivationStore* store) const {
  if (!cached_ || cached_->vlm != &vlm || cached_->store != store) {
    cached_ = CachedInterventions{&vlm, store, {}};
    for (const auto& patch : memories_)
      for (auto& recalled : recall(vlm, patch, store))
        cached_->interventions.push_back(std::move(recalled));
  }
  auto all = sums_;
  all.insert(all.end(), cached_->interventions.begin(), cached_->interventions.end());
  return all;
}

}  // namespace emend
