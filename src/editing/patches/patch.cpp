#include "editing/patches/patch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "editing/registry.h"
#include "io/error.h"
#include "io/hash.h"

namespace emend {
namespace {

void add_tensor_to_id(Hasher& hash, const at::Tensor& tensor) {
  auto flat = tensor.detach().to(at::kCPU).contiguous();
  for (int64_t size : flat.sizes()) hash.update(&size, sizeof size);
  hash.update(flat.data_ptr(), flat.nbytes());
}

void add_tensors_to_id(Hasher& hash, const std::map<std::string, at::Tensor>& tensors) {
  for (const auto& [name, tensor] : tensors) {
    hash.update_sized(name);
    add_tensor_to_id(hash, tensor);
  }
}

std::string setting_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

void Memory::add(MemoryEntry entry) {
  const auto replaced = std::erase_if(
      entries, [&](const MemoryEntry& known) { return known.name == entry.name; });
  if (replaced > 0) cache.reset();
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
  cache.reset();
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

namespace {

// The tensor with the strides of a loaded one. A dimension of size 1 may have any stride; the BLAS
// then takes another kernel, which rounds differently.
at::Tensor row_major(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.reshape({-1}).view(tensor.sizes()) : tensor;
}

}  // namespace

Interventions on_weights(const std::vector<SiteDelta>& deltas) {
  Interventions all;
  for (const auto& [site, delta] : deltas)
    all.push_back(Intervention::weight(
        site, {row_major(delta.dense), row_major(delta.up), row_major(delta.down)}));
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
  hash.update_sized(patch.base);
  hash.update_sized(patch.editor);
  hash.update_sized(setting_text(patch.settings));
  hash.update_sized(setting_text(patch.request));
  for (const auto& [site, delta] : patch.deltas) {
    hash.update_sized(site);
    if (delta.low_rank()) {
      add_tensor_to_id(hash, delta.up);
      add_tensor_to_id(hash, delta.down);
    } else {
      add_tensor_to_id(hash, delta.dense);
    }
  }
  for (const auto& [site, keys, gradients] : patch.keys) {
    hash.update_sized(site);
    add_tensor_to_id(hash, keys);
    if (gradients.defined()) add_tensor_to_id(hash, gradients);
  }
  // A patch without a memory keeps the id of versions that had no memories.
  add_tensors_to_id(hash, patch.memory.network);
  if (!patch.memory.reading.is_null()) hash.update_sized(setting_text(patch.memory.reading));
  for (const auto& entry : patch.memory.entries) {
    hash.update_sized(entry.name);
    hash.update_sized(setting_text(entry.facts));
    add_tensors_to_id(hash, entry.tensors);
  }
  return hash.hex();
}

}  // namespace emend
