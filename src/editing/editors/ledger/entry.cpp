#include "editing/editors/ledger/entry.h"

#include <fmt/format.h>

#include "editing/editors/memory/entries.h"
#include "io/error.h"
#include "io/json/json.h"

namespace emend {
namespace {

constexpr const char* kUp = ".up";
constexpr const char* kDown = ".down";

[[noreturn]] void refuse_ledger_entry(const MemoryEntry& entry, const std::string& problem) {
  throw Error("editing::ledger",
              fmt::format("{}: entry '{}' {}", kPatchMemory, entry.name.substr(0, 200), problem),
              "make the patch again with `emend edit`");
}

}  // namespace

LedgerEntry LedgerEntry::read(const MemoryEntry& stored) {
  const auto& facts = stored.facts;
  return {stored, json_get<std::string>(facts, "prompt", kPatchMemory),
          json_get<std::string>(facts, "target", kPatchMemory),
          json_get_or<std::string>(facts, "fact", "", kPatchMemory),
          json_get_or<std::string>(facts, "subject", "", kPatchMemory),
          json_get_or<bool>(facts, "has_image", true, kPatchMemory)};
}

at::Tensor LedgerEntry::tensor(const char* name, const char* description, int64_t width) const {
  const auto found = stored.tensors.find(name);
  if (found == stored.tensors.end() || found->second.sizes() != at::IntArrayRef{width})
    refuse_ledger_entry(stored, fmt::format("has no {} of this model", description));
  return found->second.to(at::kCPU);
}

std::vector<SiteDelta> LedgerEntry::change(const Model& model) const {
  std::vector<SiteDelta> change;
  size_t read = 1 + stored.tensors.count("consequences");  // the keys
  for (const auto& [name, down] : stored.tensors) {
    if (!name.ends_with(kDown)) continue;
    const auto site = name.substr(0, name.size() - std::string(kDown).size());
    const auto up = stored.tensors.find(site + kUp);
    if (up == stored.tensors.end()) refuse_ledger_entry(stored, "lacks " + site + kUp);
    const auto& shape = model.site(site);
    if (up->second.dim() != 2 || down.dim() != 2 || up->second.size(0) != shape.out ||
        down.size(1) != shape.in || up->second.size(1) != down.size(0))
      refuse_ledger_entry(stored, "has a change of " + site + " with another shape");
    change.push_back({site, {{}, up->second.to(model.device()), down.to(model.device())}});
    read += 2;
  }
  if (read != stored.tensors.size())
    refuse_ledger_entry(stored, "has tensors that no code reads");
  return change;
}

MemoryEntry ledger_entry(const std::string& name, nlohmann::json facts, const at::Tensor& key,
                         const at::Tensor& consequences, const std::vector<SiteDelta>& change) {
  MemoryEntry entry{name, std::move(facts), {{"key", key.clone()}}};
  if (consequences.defined()) entry.tensors["consequences"] = consequences.clone();
  for (const auto& [site, delta] : change) {
    entry.tensors[site + kUp] = delta.up.to(at::kCPU).contiguous();
    entry.tensors[site + kDown] = delta.down.to(at::kCPU).contiguous();
  }
  return entry;
}

}  // namespace emend
