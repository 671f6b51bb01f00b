#include "editing/merge.h"

#include <fmt/format.h>

#include <set>

#include "editing/pile.h"
#include "io/error.h"

namespace emend {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& why) {
  throw Error("editing::merge", why, "apply them one beside the other: --patch A --patch B");
}

std::vector<json> requests_of(const Patch& patch) {
  if (patch.request.is_array()) return patch.request.get<std::vector<json>>();
  return {patch.request};
}

json as_request(const std::vector<json>& requests) {
  return requests.size() == 1 ? requests.front() : json(requests);
}

// Whether the entry remembers this request.
bool remembers(const MemoryEntry& entry, const json& request) {
  if (!entry.facts.is_object() || !request.is_object()) return false;
  for (const char* field : {"image", "prompt", "target"})
    if (entry.facts.value(field, json()) != request.value(field, json())) return false;
  return true;
}

}  // namespace

Patch merged(const std::vector<Patch>& patches) {
  if (patches.empty()) throw Error("editing::merge", "there is nothing to merge");
  const auto& first = patches.front();
  Pile pile;
  std::vector<json> requests, ids, settings;
  for (const auto& patch : patches) {
    if (patch.base != first.base)
      throw Error("editing::merge",
                  fmt::format("patch {} belongs to the base model {}, patch {} to {}", patch.id,
                              patch.base, first.id, first.base),
                  "merge patches of one model");
    if (patch.editor != first.editor)
      refuse(fmt::format("patch {} was made by '{}', patch {} by '{}'", patch.id, patch.editor,
                         first.id, first.editor));
    pile.add(patch);
    for (auto& request : requests_of(patch)) requests.push_back(std::move(request));
    ids.push_back(patch.id);
    settings.push_back(patch.settings);
  }
  auto result = first;
  result.deltas = pile.deltas();
  std::set<std::string> sites;
  for (const auto& change : result.deltas)
    if (!sites.insert(change.site).second)
      refuse(fmt::format("the patches change '{}' by low rank and densely", change.site));
  const auto& memories = pile.memories();
  if (memories.size() > 1) refuse("the patches' memories are read by other networks or settings");
  result.memory = memories.empty() ? Memory() : memories.front().memory;
  const bool alike = std::all_of(settings.begin(), settings.end(),
                                 [&](const json& other) { return other == settings.front(); });
  result.settings = alike ? settings.front() : json(settings);
  result.request = as_request(requests);
  result.effect = {{"merged", ids}};
  result.made_by = Patch().made_by;
  result.id = patch_id(result);
  return result;
}

Patch without_entry(Patch patch, const std::string& name) {
  auto& entries = patch.memory.entries;
  if (entries.empty())
    throw Error("editing::merge",
                fmt::format("patch {} changes weights and has no entries to remove", patch.id),
                "leave the patch out to take it off");
  const auto before = entries;
  patch.memory.remove(name);
  if (entries.empty())
    throw Error("editing::merge", fmt::format("'{}' is the only entry of patch {}", name, patch.id),
                "leave the patch out to take it off");
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
