#include "editing/patches/patch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "editing/registry.h"
#include "io/error.h"
#include "io/hash.h"

namespace emend {
namespace {

// Lengths are hashed first, so that different lists never give the same bytes.
void add(Hasher& hash, const std::string& text) {
  uint64_t size = text.size();
  hash.update(&size, sizeof size).update(text);
}

void add(Hasher& hash, const at::Tensor& tensor) {
  auto flat = tensor.detach().to(at::kCPU).contiguous();
  for (int64_t size : flat.sizes()) hash.update(&size, sizeof size);
  hash.update(flat.data_ptr(), flat.nbytes());
}

void add(Hasher& hash, const std::map<std::string, at::Tensor>& tensors) {
  for (const auto& [name, tensor] : tensors) {
    add(hash, name);
    add(hash, tensor);
  }
}

std::string setting_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

void Memory::add(MemoryEntry entry) {
  for (auto& known : entries) {
    if (known.name != entry.name) continue;
    known = std::move(entry);
    return;
  }
  entries.push_back(std::move(entry));
}

void Memory::remove(const std::string& name) {
  auto found = std::find_if(entries.begin(), entries.end(),
                            [&](const MemoryEntry& entry) { return entry.name == name; });
  if (found == entries.end()) {
    std::vector<std::string> names;
    for (const auto& entry : entries) names.push_back(entry.name);
    throw Error("editing::memory", fmt::format("there is no entry '{}'", name.substr(0, 200)),
                fmt::format("available entries: {}", fmt::join(names, ", ")));
  }
  entries.erase(found);
}

std::string entry_name(const std::string& prompt, const at::Tensor& pixels) {
  Hasher hash;
  hash.update(prompt);
  if (pixels.defined()) {
    const auto plain = pixels.to(at::kCPU).contiguous();
    hash.update(plain.data_ptr(), plain.nbytes());
  }
  return hash.hex().substr(0, 12);
}

Interventions on_weights(const std::vector<SiteDelta>& deltas) {
  Interventions all;
  for (const auto& [site, delta] : deltas) {
    auto intervention = Intervention::weight(site, delta);
    all.push_back(std::move(intervention));
  }
  return all;
}

Interventions Patch::interventions(const Vlm& vlm, ActivationStore* store) const {
  auto all = on_weights(deltas);
  if (!memory.entries.empty())
    for (auto& recalled : recall(vlm, *this, store)) all.push_back(std::move(recalled));
  return all;
}

std::string patch_id(const Patch& patch) {
  Hasher hash;
  add(hash, patch.base);
  add(hash, patch.editor);
  add(hash, setting_text(patch.settings));
  add(hash, setting_text(patch.request));
  for (const auto& [site, delta] : patch.deltas) {
    add(hash, site);
    if (delta.low_rank()) {
      add(hash, delta.up);
      add(hash, delta.down);
    } else {
      add(hash, delta.dense);
    }
  }
  // A patch without a memory keeps the id of versions that had no memories.
  add(hash, patch.memory.network);
  if (!patch.memory.reading.is_null()) add(hash, setting_text(patch.memory.reading));
  for (const auto& entry : patch.memory.entries) {
    add(hash, entry.name);
    add(hash, setting_text(entry.facts));
    add(hash, entry.tensors);
  }
  return hash.hex();
}

}  // namespace emend
