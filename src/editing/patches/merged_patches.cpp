#include "editing/patches/merged_patches.h"

#include <fmt/format.h>

#include <algorithm>

#include "editing/registry.h"
#include "io/json/json_difference.h"

namespace emend {
namespace {

bool same(const std::map<std::string, at::Tensor>& a, const std::map<std::string, at::Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && (x.second.is_same(y.second) || at::equal(x.second, y.second));
  });
}

// The settings with which a memory is read. Those that are missing, as in patches of earlier
// versions, have the values of `earlier`, or else their defaults.
nlohmann::json completed(nlohmann::json given, const std::vector<SettingInfo>& known,
                         const nlohmann::json& earlier, const std::vector<std::string>& unread) {
  if (!given.is_object()) return given;
  given.insert(earlier.begin(), earlier.end());
  for (const auto& setting : known)
    if (!given.contains(setting.name)) given[setting.name] = setting.value;
  for (const auto& name : unread) given.erase(name);
  return given;
}

// The first difference of the settings with which the memories are read.
std::optional<JsonDifference> settings_difference(const Patch& a, const Patch& b) {
  if (a.settings == b.settings && a.memory.reading == b.memory.reading) return {};
  EditorInfo info;
  for (const auto& known : editor_infos())
    if (known.name == a.editor) info = known;
  auto unread = info.edit_time_settings;
  unread.push_back("checkpoint");  // where the network was read, not how it reads
  const auto settings_of = [&](const Patch& patch) {
    return completed(patch.settings, info.settings, info.earlier_settings, unread);
  };
  const auto reading_of = [&](const Patch& patch) {
    return completed(patch.memory.reading, info.training_settings, nlohmann::json::object(), {});
  };
  const auto difference = first_json_difference(settings_of(a), settings_of(b));
  return difference ? difference : first_json_difference(reading_of(a), reading_of(b));
}

// Whether one editor can read both memories with the same network and settings.
bool read_alike(const Patch& a, const Patch& b) {
  return a.editor == b.editor && !settings_difference(a, b) &&
         same(a.memory.network, b.memory.network);
}

}  // namespace

std::string memory_difference(const Patch& a, const Patch& b) {
  const auto difference = settings_difference(a, b);
  if (!difference) return "networks";
  return fmt::format("settings: {} is {} in one and {} in the other", difference->field,
                     difference->ours, difference->theirs);
}

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

std::vector<SiteDelta> MergedPatches::site_deltas() const {
  at::NoGradGuard no_grad;
  std::vector<SiteDelta> all;
  for (auto& change : deltas()) {
    const auto known = std::find_if(
        all.begin(), all.end(), [&](const SiteDelta& other) { return other.site == change.site; });
    if (known == all.end())
      all.push_back(std::move(change));
    else
      known->delta = {known->delta.materialized() + change.delta.materialized(), {}, {}};
  }
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
