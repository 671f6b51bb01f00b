#include "editing/patches/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

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

bool same_field(const MemoryEntry& entry, const json& request, const char* field) {
  return entry.facts.is_object() && request.is_object() &&
         entry.facts.value(field, json()) == request.value(field, json());
}

// Whether the entry is an edit of the question of this request.
bool same_question(const MemoryEntry& entry, const json& request) {
  return same_field(entry, request, "image") && same_field(entry, request, "prompt");
}

// Whether the entry of this request was replaced by a later edit of the same question.
bool replaced(const std::vector<MemoryEntry>& entries, const json& request) {
  bool other_target = false;
  for (const auto& entry : entries) {
    if (!same_question(entry, request)) continue;
    if (same_field(entry, request, "target")) return false;
    other_target = true;
  }
  return other_target;
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

Patch MergedPatch::with_deltas(std::vector<SiteDelta> deltas) const {
  if (ids_.empty())
    throw Error("editing::merge", "there is no edit to save", "check why every edit failed");
  auto result = first_;
  result.deltas = std::move(deltas);
  result.keys = merged_.keys();
  const auto& memories = merged_.memories();
  if (memories.size() > 1)
    refuse(fmt::format("the memories of the patches have different {}",
                       memory_difference(memories[0], memories[1])));
  if (memories.empty()) {
    result.settings = settings_.size() == 1 ? settings_.front() : json(settings_);
  } else {
    result.settings = memories.front().settings;
    result.memory = memories.front().memory;
    result.memory.growing = false;
    result.memory.cache.reset();
  }
  auto requests = requests_;
  std::erase_if(requests, [&](const json& one) { return replaced(result.memory.entries, one); });
  result.request = as_request(requests);
  result.effect = {{"merged", ids_}};
  result.made_by = Patch().made_by;
  result.id = patch_id(result);
  return result;
}

Patch MergedPatch::patch() const { return with_deltas(merged_.site_deltas()); }

std::vector<Patch> MergedPatch::parts() const {
  std::set<std::string> sites, keyed;
  for (const auto& keys : merged_.keys())
    if (!keyed.insert(keys.site).second) return {};
  if (empty() || merged_.memories().size() > 1) return {};
  std::vector<SiteDelta> firsts, seconds;
  for (auto& change : merged_.deltas()) {
    const bool is_first = sites.insert(change.site).second;
    if (!is_first && !change.delta.low_rank()) return {};
    (is_first ? firsts : seconds).push_back(std::move(change));
  }
  std::vector<Patch> parts = {with_deltas(std::move(firsts))};
  if (seconds.empty()) return parts;
  Patch rest;
  rest.base = parts[0].base;
  rest.editor = parts[0].editor;
  rest.deltas = std::move(seconds);
  rest.id = patch_id(rest);
  parts.push_back(std::move(rest));
  return parts;
}

MergedPatch MergedPatch::continued(const std::vector<Patch>& parts) {
  const auto& saved = parts.at(0);
  if (!saved.effect.is_object() || !saved.effect.contains("merged") ||
      !saved.effect.at("merged").is_array())
    throw Error("editing::merge", fmt::format("patch {} is not a merged patch", saved.id),
                "use a patch that was merged");
  MergedPatch all;
  all.add(saved);
  all.ids_ = saved.effect.at("merged").get<std::vector<json>>();
  if (saved.settings.is_array()) all.settings_ = saved.settings.get<std::vector<json>>();
  for (size_t i = 1; i < parts.size(); ++i) all.merged_.add(parts[i]);
  return all;
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
  auto requests = requests_of(patch);
  std::erase_if(requests, [&](const json& request) {
    const bool own = std::any_of(before.begin(), before.end(), [&](const MemoryEntry& entry) {
      return entry.name == name && same_question(entry, request) &&
             same_field(entry, request, "target");
    });
    return own || replaced(before, request);
  });
  patch.request = as_request(requests);
  patch.effect = {{"removed", name}};
  patch.id = patch_id(patch);
  return patch;
}

}  // namespace emend
