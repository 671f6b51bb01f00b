#include "editing/patch.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"
#include "io/hash.h"

namespace emend {
namespace {

// Lengths first, so that no two lists of things give the same bytes.
void add(Hasher& hash, const std::string& text) {
  uint64_t size = text.size();
  hash.update(&size, sizeof size).update(text);
}

void add(Hasher& hash, const at::Tensor& tensor) {
  auto flat = tensor.detach().to(at::kCPU).contiguous();
  for (int64_t size : flat.sizes()) hash.update(&size, sizeof size);
  hash.update(flat.data_ptr(), flat.nbytes());
}

std::string text_of(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Intervention on_weight(const std::string& site, const WeightDelta& delta) {
  Intervention intervention{};
  intervention.point = Point::weight;
  intervention.where = site;
  intervention.delta = delta;
  return intervention;
}

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
    throw Error("editing::patch",
                fmt::format("the patch changes site '{}' as ({}, {}), the model has ({}, {})",
                            change.site, out, in, found->out, found->in),
                "use the model that the patch was made with");
  }
}

}  // namespace

Interventions Patch::interventions() const {
  Interventions all;
  for (const auto& change : deltas) all.push_back(on_weight(change.site, change.delta));
  return all;
}

std::string patch_id(const Patch& patch) {
  Hasher hash;
  add(hash, patch.base);
  add(hash, patch.editor);
  add(hash, text_of(patch.settings));
  add(hash, text_of(patch.request));
  for (const auto& [site, delta] : patch.deltas) {
    add(hash, site);
    if (delta.low_rank()) {
      add(hash, delta.up);
      add(hash, delta.down);
    } else {
      add(hash, delta.dense);
    }
  }
  return hash.hex();
}

void pile_up(Interventions& sums, const Patch& patch) {
  at::NoGradGuard no_grad;
  auto find = [&](const std::string& site, bool low_rank) {
    return std::find_if(sums.begin(), sums.end(), [&](const Intervention& sum) {
      return sum.where == site && sum.delta.low_rank() == low_rank;
    });
  };
  for (const auto& [site, delta] : patch.deltas) {
    auto sum = find(site, delta.low_rank());
    if (sum == sums.end()) {
      sums.push_back(on_weight(site, delta));
      continue;
    }
    // New tensors each time: the patches keep theirs.
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
    if (dense == sums.end()) {
      total = {total.materialised(), {}, {}};
    } else {
      dense->delta.dense = dense->delta.dense + total.materialised();
      sums.erase(sum);
    }
  }
}

void PatchStack::apply(const Vlm& vlm, Patch patch) {
  auto base = vlm.fingerprint();
  if (patch.base != base)
    throw Error("editing::patch",
                fmt::format("patch {} belongs to the base model {}, this is {}", patch.id,
                            patch.base, base),
                "load the model that the patch was made with, or make the edit anew on this one");
  for (const auto& other : patches_)
    if (other.id == patch.id)
      throw Error("editing::patch", fmt::format("patch {} is applied already", patch.id),
                  "name each patch once");
  for (auto& change : patch.deltas) {
    check_site(*vlm.model, change);
    for (auto* tensor : {&change.delta.dense, &change.delta.up, &change.delta.down})
      if (tensor->defined()) *tensor = tensor->to(vlm.model->device());
  }
  pile_up(sums_, patch);
  patches_.push_back(std::move(patch));
}

void PatchStack::remove(const std::string& id) {
  auto found = std::find_if(patches_.begin(), patches_.end(),
                            [&](const Patch& patch) { return patch.id == id; });
  if (found == patches_.end())
    throw Error("editing::patch", fmt::format("no patch {} is applied", id),
                "`emend inspect PATCH` prints a patch's id");
  patches_.erase(found);
  sums_.clear();
  for (const auto& patch : patches_) pile_up(sums_, patch);
}

}  // namespace emend
