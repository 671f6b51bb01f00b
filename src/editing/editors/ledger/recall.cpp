#include "editing/editors/ledger/recall.h"

#include <fmt/format.h>

#include <limits>
#include <map>

#include "editing/editors/memory/prompt_answers.h"
#include "io/error.h"
#include "io/json/json.h"

namespace emend {
namespace {

constexpr const char* kMemory = "the patch's memory";
constexpr const char* kUp = ".up";
constexpr const char* kDown = ".down";
constexpr int64_t kBlock = 1024;  // keys that are compared at once

LedgerState saved_state(const Vlm& vlm, const Patch& patch) {
  LedgerState state(*vlm.model, read_settings<LedgerConfig>("ledger", patch.memory.reading));
  state.load(patch.memory.network, kMemory);
  return state;
}

[[noreturn]] void refuse_entry(const MemoryEntry& entry, const std::string& problem) {
  throw Error("editing::ledger",
              fmt::format("{}: entry '{}' {}", kMemory, entry.name.substr(0, 200), problem),
              "make the patch again with `emend edit`");
}

at::Tensor key_of_entry(const MemoryEntry& entry, int64_t width) {
  const auto found = entry.tensors.find("key");
  if (found == entry.tensors.end() || found->second.sizes() != at::IntArrayRef{width})
    refuse_entry(entry, "has no key of this model");
  return found->second;
}

// The low-rank change of an entry. Throws emend::Error if a tensor is not a factor of a site's
// change.
std::vector<SiteDelta> change_of_entry(const MemoryEntry& entry, const Model& model) {
  std::vector<SiteDelta> change;
  size_t read = 1;  // the key
  for (const auto& [name, down] : entry.tensors) {
    if (!name.ends_with(kDown)) continue;
    const auto site = name.substr(0, name.size() - std::string(kDown).size());
    const auto up = entry.tensors.find(site + kUp);
    if (up == entry.tensors.end()) refuse_entry(entry, "lacks " + site + kUp);
    const auto& shape = model.site(site);
    if (up->second.dim() != 2 || down.dim() != 2 || up->second.size(0) != shape.out ||
        down.size(1) != shape.in || up->second.size(1) != down.size(0))
      refuse_entry(entry, "has a change of " + site + " with another shape");
    change.push_back({site, {{}, up->second.to(model.device()), down.to(model.device())}});
    read += 2;
  }
  if (read != entry.tensors.size()) refuse_entry(entry, "has tensors that no code reads");
  return change;
}

std::string fact(const MemoryEntry& entry, const char* name) {
  return json_get<std::string>(entry.facts, name, kMemory);
}

void check_entry(const MemoryEntry& entry, const Model& model) {
  fact(entry, "prompt");
  fact(entry, "target");
  change_of_entry(entry, model);
}

// For each entry, the latest later entry whose key is nearer than `limit`, or -1.
std::vector<int64_t> superseded_entries(const at::Tensor& keys, double limit) {
  const auto count = keys.size(0);
  std::vector<int64_t> later(static_cast<size_t>(count), -1);
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const auto block = keys.slice(0, begin, begin + kBlock);
    const auto near = (key_distances(block, keys.slice(0, begin)) < limit).to(at::kCPU);
    const auto pairs = near.nonzero().contiguous();
    const auto* pair = pairs.data_ptr<int64_t>();
    for (int64_t i = 0; i < pairs.size(0); ++i, pair += 2)
      if (pair[1] > pair[0]) later[static_cast<size_t>(begin + pair[0])] = begin + pair[1];
  }
  return later;
}

}  // namespace

MemoryEntry ledger_entry(const std::string& name, nlohmann::json facts, const at::Tensor& key,
                         const std::vector<SiteDelta>& change) {
  MemoryEntry entry{name, std::move(facts), {{"key", key.clone()}}};
  for (const auto& [site, delta] : change) {
    entry.tensors[site + kUp] = delta.up.to(at::kCPU).contiguous();
    entry.tensors[site + kDown] = delta.down.to(at::kCPU).contiguous();
  }
  return entry;
}

LedgerRecall::LedgerRecall(const Vlm& vlm, const Patch& patch, ActivationStore* store)
    : vlm_(vlm),
      store_(store),
      settings_(read_settings<LedgerSettings>("ledger", patch.settings)),
      state_(saved_state(vlm, patch)),
      entries_(patch.memory.entries) {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> all;
  for (const auto& entry : entries_) {
    check_entry(entry, *vlm.model);
    all.push_back(key_of_entry(entry, state_.width()));
  }
  const auto keys = state_.scoped(at::stack(all).to(vlm.model->device()), settings_);
  superseded_ = superseded_entries(keys, settings_.limit);
  std::vector<int64_t> active;
  for (size_t i = 0; i < superseded_.size(); ++i)
    if (superseded_[i] < 0) active.push_back(static_cast<int64_t>(i));
  active_ = at::tensor(active, at::kLong).to(keys.device());
  keys_ = keys.index_select(0, active_);
  certificate_.risk = settings_.risk;
  certificate_.confidence = settings_.confidence;
  certificate_.threshold = settings_.limit;
  if (settings_.risk < 1)
    certificate_ = certify(nearest(state_.scoped(state_.calibration, settings_)).first,
                           settings_.risk, settings_.confidence, settings_.limit);
}

std::pair<at::Tensor, at::Tensor> LedgerRecall::nearest(const at::Tensor& keys) const {
  std::vector<at::Tensor> distances, entries;
  for (int64_t begin = 0; begin < keys.size(0); begin += kBlock) {
    const auto block = keys.slice(0, begin, begin + kBlock);
    auto [distance, entry] = key_distances(block, keys_).min(1);
    distances.push_back(distance);
    entries.push_back(active_.index_select(0, entry));
  }
  if (distances.empty()) return {at::empty({0}), at::empty({0}, at::kLong)};
  return {at::cat(distances), at::cat(entries)};
}

at::Tensor LedgerRecall::route(const at::Tensor& keys) const {
  const auto [distance, entry] = nearest(state_.scoped(keys, settings_));
  return at::where(distance < certificate_.threshold, entry, at::full_like(entry, -1));
}

at::Tensor LedgerRecall::mix(const Pass& pass, const at::Tensor& logits) const {
  ScopedAnswer answer;
  {
    at::NoGradGuard no_grad;
    if (!pass.cache) {
      answer = begin(pass, logits);
    } else {
      auto& kept = pass.cache->kept[this];
      if (!kept)
        kept = std::make_shared<ScopedAnswer>(begin(pass, logits));
      else
        static_cast<ScopedAnswer*>(kept.get())->next(*vlm_.model, pass);
      answer = *static_cast<ScopedAnswer*>(kept.get());
    }
  }
  return answer.empty() ? logits : answer.replaced(logits, answer.logits());
}

ScopedAnswer LedgerRecall::begin(const Pass& pass, const at::Tensor& logits) const {
  const auto& model = *vlm_.model;
  const auto batch = rows_of(pass);
  const auto seen = look_at(vlm_, batch.pixels, store_);
  auto answers = prompt_answers(pass, logits);
  if (!answers.defined()) answers = prompt_answers(model, batch, seen);
  const auto keys = state_.key_of(vlm_, batch, seen, answers);
  const auto routed = route(keys).to(at::kCPU).contiguous();
  ScopedRows scoped;
  std::map<size_t, std::vector<size_t>> rows_by_entry;
  for (int64_t row = 0; row < routed.size(0); ++row) {
    const auto entry = routed.data_ptr<int64_t>()[row];
    if (entry < 0) continue;
    rows_by_entry[static_cast<size_t>(entry)].push_back(scoped.rows.size());
    scoped.rows.push_back(row);
  }
  const bool context = settings_.context != "never";
  auto changes = context ? state_.counterfactual.interventions() : Interventions();
  std::map<size_t, EditPrefix> prefixes;
  scoped.prefixes.resize(scoped.rows.size());
  for (const auto& [index, rows] : rows_by_entry) {
    const auto& entry = entries_[index];
    auto& prefix = prefixes[index];
    if (context)
      prefix = EditPrefix::of(vlm_.processor, state_.shape.edit_prefix, fact(entry, "prompt"),
                              fact(entry, "target"));
    std::vector<bool> scope(scoped.rows.size(), false);
    for (const auto row : rows) {
      scope[row] = true;
      scoped.prefixes[row] = &prefix;
    }
    for (const auto& change : on_weights(change_of_entry(entry, model)))
      changes.push_back(change.on_rows(scope));
  }
  return ScopedAnswer(model, pass, batch, seen, scoped, std::move(changes));
}

}  // namespace emend
