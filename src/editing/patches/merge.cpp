#include "editing/patches/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "io/error.h"

namespace emend {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& why) {
  throw Error("editing::merge", why, "apply them without merging: --patch A --patch B");
}

std::vector<json> requests_of(const Patch& patch) {
  if (patch.request.is_array()) return patch.request.get<std::vector<json>>();
  return {patch.request};
}

json as_request(const std::vector<json>& requests) {
  return requests.size() == 1 ? requests.front() : json(requests);
}

// Whether the entry belongs to this request.
bool remembers(const MemoryEntry& entry, const json& request) {
  if (!entry.facts.is_object() || !request.is_object()) return false;
  for (const char* field : {"image", "prompt", "target"})
    if (entry.facts.value(field, json()) != request.value(field, json())) return false;
  return true;
}

// A hash of the patch's effect on a model.
std::string content_of(const Patch& patch) {
  auto content = patch;
  content.settings = content.request = nullptr;
  return patch_id(content);
}

void refuse_doubles(const std::vector<Patch>& patches) {
  std::map<std::string, size_t> ids, contents;
  for (size_t i = 0; i < patches.size(); ++i) {
    size_t other = i;
    bool twice = false;
    // A patch of an edit that held before is empty, so equal contents mean nothing.
    if (!patches[i].deltas.empty() || !patches[i].memory.entries.empty()) {
      const auto known = contents.emplace(content_of(patches[i]), i);
      twice = !known.second;
      other = known.first->second;
    }
    for (const auto& id : contained_ids(patches[i])) {
      const auto known = ids.emplace(id, i);
      if (known.second || known.first->second == i) continue;
      twice = true;
      other = known.first->second;
    }
    if (twice)
      throw Error(
          "editing::merge",
          fmt::format(
              "patch {} (number {}) contains an edit that patch {} (number {}) contains, too",
              patches[i].id, i + 1, patches[other].id, other + 1),
          "give each edit once: a merged duplicate would count twice");
  }
}

}  // namespace

std::vector<std::string> contained_ids(const Patch& patch) {
  std::vector<std::string> ids = {patch.id};
  if (patch.effect.is_object() && patch.effect.contains("merged"))
    for (const auto& id : patch.effect["merged"])
      if (id.is_string()) ids.push_back(id.get<std::string>());
  return ids;
}

Patch merged(const std::vector<Patch>& patches) {
  if (patches.empty())
    throw Error("editing::merge", "there are no patches to merge", "list the patches");
  refuse_doubles(patches);
  MergedPatch all;
  std::map<std::string, bool> low_rank;
  for (const auto& patch : patches) {
    all.add(patch);
    for (const auto& [site, delta] : patch.deltas)
      if (low_rank.emplace(site, delta.low_rank()).first->second != delta.low_rank())
        refuse(fmt::format("patches change '{}' both by low-rank and by dense deltas", site));
  }
  return all.patch();
}

void MergedPatch::add(const Patch& patch) {
  if (ids_.empty()) {
    first_ = patch;
    first_.deltas.clear();
    first_.keys.clear();
    first_.memory = {};
  }
  if (patch.base != first_.base)
    throw Error("editing::merge",
                fmt::format("patch {} belongs to the base model {}, patch {} to {}", patch.id,
                            patch.base, first_.id, first_.base),
                "merge only patches of one model");
  if (patch.editor != first_.editor)
    refuse(fmt::format("patch {} was made by '{}', patch {} by '{}'", patch.id, patch.editor,
                       first_.id, first_.editor));
  merged_.add(patch);
  for (auto& request : requests_of(patch)) requests_.push_back(std::move(request));
  for (auto& id : contained_ids(patch)) ids_.push_back(std::move(id));
  if (std::find(settings_.begin(), settings_.end(), patch.settings) == settings_.end())
    settings_.push_back(patch.settings);
}

Patch MergedPatch::patch() const {
  if (ids_.empty())
    throw Error("editing::merge", "there is no edit to save", "check why every edit failed");
  auto result = first_;
  std::map<std::string, size_t> places;
  for (auto& change : merged_.deltas()) {
    const auto [place, is_new] = places.emplace(change.site, result.deltas.size());
    if (is_new) {
      result.deltas.push_back(std::move(change));
      continue;
    }
    auto& sum = result.deltas[place->second].delta;
    sum = {sum.materialized() + change.delta.materialized(), {}, {}};
  }
  result.keys = merged_.keys();
  const auto& memories = merged_.memories();
  if (memories.size() > 1)
    refuse("the memories of the patches have different networks or settings");
  if (!memories.empty()) {
    result.memory = memories.front().memory;
    result.memory.growing = false;
    result.memory.cache.reset();
  }
  result.settings = settings_.size() == 1 ? settings_.front() : json(settings_);
  result.request = as_request(requests_);
  result.effect = {{"merged", ids_}};
  result.made_by = Patch().made_by;
  result.id = patch_id(result);
  return result;
}

Patch without_entry(Patch patch, const std::string& name) {
  auto& entries = patch.memory.entries;
  if (entries.empty())
    throw Error("editing::merge",
                fmt::format("patch {} changes weights and has no entries to remove", patch.id),
                "to undo the edit, leave out --patch FILE");
  const auto before = entries;
  patch.memory.remove(name);
  if (entries.empty())
    throw Error("editing::merge", fmt::format("'{}' is the only entry of patch {}", name, patch.id),
                "to undo the edit, leave out --patch FILE");
  std::vector<json> left;
  for (auto& request : requests_of(patch)) {
    const bool gone = std::any_of(before.begin(), before.end(), [&](const MemoryEntry& entry) {
      return entry.name == name && remembers(entry, request);
    });
    if (!gone) left.push_back(std::move(request));
  }
  patch.request = as_request(left);
  patch.effect = {{"removed", name}};
  patch.id = patch_id(patch);
  return patch;
}

}  // namespace emend
