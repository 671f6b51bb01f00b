#include "editing/editors/ledger/recall.h"

#include <fmt/format.h>

#include <map>

#include "editing/editors/memory/prompt_answers.h"
#include "io/blank.h"
#include "io/error.h"
#include "io/json/json.h"
#include "text/strings.h"

namespace emend {
namespace {

constexpr const char* kLedgerMemory = "the patch's memory";
constexpr const char* kUp = ".up";
constexpr const char* kDown = ".down";

LedgerState saved_state(const Vlm& vlm, const Patch& patch) {
  LedgerState state(*vlm.model, read_settings<LedgerConfig>("ledger", patch.memory.reading));
  state.load(patch.memory.network, kLedgerMemory);
  return state;
}

[[noreturn]] void refuse_ledger_entry(const MemoryEntry& entry, const std::string& problem) {
  throw Error("editing::ledger",
              fmt::format("{}: entry '{}' {}", kLedgerMemory, entry.name.substr(0, 200), problem),
              "make the patch again with `emend edit`");
}

// The low-rank change of an entry. Throws emend::Error if a tensor is not a factor of a site's
// change.
std::vector<SiteDelta> change_of_entry(const MemoryEntry& entry, const Model& model) {
  std::vector<SiteDelta> change;
  size_t read = 1 + entry.tensors.count("consequences");  // the keys
  for (const auto& [name, down] : entry.tensors) {
    if (!name.ends_with(kDown)) continue;
    const auto site = name.substr(0, name.size() - std::string(kDown).size());
    const auto up = entry.tensors.find(site + kUp);
    if (up == entry.tensors.end()) refuse_ledger_entry(entry, "lacks " + site + kUp);
    const auto& shape = model.site(site);
    if (up->second.dim() != 2 || down.dim() != 2 || up->second.size(0) != shape.out ||
        down.size(1) != shape.in || up->second.size(1) != down.size(0))
      refuse_ledger_entry(entry, "has a change of " + site + " with another shape");
    change.push_back({site, {{}, up->second.to(model.device()), down.to(model.device())}});
    read += 2;
  }
  if (read != entry.tensors.size()) refuse_ledger_entry(entry, "has tensors that no code reads");
  return change;
}

std::string ledger_fact(const MemoryEntry& entry, const char* name) {
  return json_get<std::string>(entry.facts, name, kLedgerMemory);
}

void check_entry(const MemoryEntry& entry, const Model& model) {
  ledger_fact(entry, "prompt");
  ledger_fact(entry, "target");
  change_of_entry(entry, model);
}

}  // namespace

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

LedgerRecall::LedgerRecall(const Vlm& vlm, const Patch& patch, ActivationStore* store)
    : vlm_(vlm),
      store_(store),
      settings_(read_settings<LedgerSettings>("ledger", patch.settings)),
      state_(saved_state(vlm, patch)),
      entries_(patch.memory.entries),
      scopes_(patch) {
  for (const auto& entry : entries_) check_entry(entry, *vlm.model);
}

size_t LedgerRecall::chained(size_t index, const at::Tensor& key) const {
  const auto target = trimmed(ledger_fact(entries_[index], "target"));
  const auto text_of = [&](const at::Tensor& of) { return of.narrow(0, 0, state_.shape.embedding); };
  auto nearest = settings_.chain_limit;
  auto found = index;
  for (size_t other = 0; other < entries_.size() && settings_.chain_limit > 0 && !target.empty(); ++other) {
    const auto& facts = entries_[other].facts;
    if (other == index || scopes_.superseded()[other] >= 0 ||
        json_get_or<bool>(facts, "has_image", true, kLedgerMemory) ||
        text::find_whole_words(ledger_fact(entries_[other], "prompt"), target) == target.npos)
      continue;
    const auto distance =
        (text_of(entries_[other].tensors.at("key")) - text_of(key)).square().sum().item<double>();
    if (distance >= nearest) continue;
    nearest = distance;
    found = other;
  }
  return found;
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
  const auto routes = scopes_.route(keys);
  const auto routed = routes.entry.contiguous(), follows = routes.follows.contiguous();
  ScopedRows scoped;
  std::map<size_t, std::vector<size_t>> rows_by_entry;
  for (int64_t row = 0; row < routed.size(0); ++row) {
    const auto entry = routed.data_ptr<int64_t>()[row];
    if (entry < 0) continue;
    auto index = static_cast<size_t>(entry);
    if (follows.data_ptr<bool>()[row]) index = chained(index, keys[row].to(at::kCPU));
    rows_by_entry[index].push_back(scoped.rows.size());
    scoped.rows.push_back(row);
  }
  const bool in_context = settings_.context != "never";  // the edit is put in front of the question
  auto changes = in_context ? state_.counterfactual.interventions() : Interventions();
  std::map<size_t, EditPrefix> prefixes;
  scoped.prefixes.resize(scoped.rows.size());
  for (const auto& [index, rows] : rows_by_entry) {
    const auto& entry = entries_[index];
    auto& prefix = prefixes[index];
    if (in_context)
      prefix = EditPrefix::of(vlm_.processor, state_.shape.edit_prefix,
                              ledger_fact(entry, "prompt"), ledger_fact(entry, "target"));
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
