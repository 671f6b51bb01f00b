#include "editing/patches/patch_stack.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"

namespace emend {
namespace {

void check_site(const Model& model, const SiteDelta& change) {
  auto fits = [&](const Site& site) {
    const auto& delta = change.delta;
    if (!delta.low_rank()) return delta.dense.size(0) == site.out && delta.dense.size(1) == site.in;
    return delta.up.size(0) == site.out && delta.down.size(1) == site.in;
  };
  const auto& sites = model.sites();
  auto found = std::find_if(sites.begin(), sites.end(),
                            [&](const Site& site) { return site.name == change.site; });
  if (found == sites.end())
    throw Error("editing::patch", fmt::format("the model has no site '{}'", change.site),
                "`emend inspect MODEL` lists the sites that a patch can change");
  if (!fits(*found)) {
    const auto& delta = change.delta;
    auto out = delta.low_rank() ? delta.up.size(0) : delta.dense.size(0);
    auto in = delta.low_rank() ? delta.down.size(1) : delta.dense.size(1);
    throw Error(
        "editing::patch",
        fmt::format(
            "the patch changes site '{}' with shape ({}, {}), but the model's has shape ({}, {})",
            change.site, out, in, found->out, found->in),
        "use the model that the patch was made with");
  }
}

std::vector<std::map<std::string, at::Tensor>*> tensors_of(Memory& memory) {
  std::vector<std::map<std::string, at::Tensor>*> all = {&memory.network};
  for (auto& entry : memory.entries) all.push_back(&entry.tensors);
  return all;
}

}  // namespace

void PatchStack::apply(const Vlm& vlm, Patch patch) {
  auto base = vlm.fingerprint();
  if (patch.base != base)
    throw Error(
        "editing::patch",
        fmt::format("patch {} belongs to the base model {}, but this model is {}", patch.id,
                    patch.base, base),
        "load the model that the patch was made with, or make the edit again on this model");
  for (const auto& other : patches_)
    if (other.id == patch.id)
      throw Error("editing::patch", fmt::format("patch {} is already applied", patch.id),
                  "name each patch once");
  for (auto& change : patch.deltas) {
    check_site(*vlm.model, change);
    for (auto* tensor : {&change.delta.dense, &change.delta.up, &change.delta.down})
      if (tensor->defined()) *tensor = tensor->to(vlm.model->device());
  }
  for (auto* tensors : tensors_of(patch.memory))
    for (auto& [name, tensor] : *tensors) tensor = tensor.to(vlm.model->device());
  merged_.add(patch);
  patches_.push_back(std::move(patch));
}

void PatchStack::remove(const std::string& id) {
  auto found = std::find_if(patches_.begin(), patches_.end(),
                            [&](const Patch& patch) { return patch.id == id; });
  if (found == patches_.end())
    throw Error("editing::patch", fmt::format("patch {} is not applied", id),
                "`emend inspect PATCH` prints the id of a patch");
  patches_.erase(found);
  merged_ = {};
  for (const auto& patch : patches_) merged_.add(patch);
}

}  // namespace emend
