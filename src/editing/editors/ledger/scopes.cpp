#include "editing/editors/ledger/scopes.h"

#include <fmt/format.h>

#include <cmath>

#include "editing/editors/ledger/fact_codes.h"
#include "io/error.h"
#include "io/json/json.h"

namespace emend {
namespace {

constexpr const char* kScopes = "editing::ledger";

// Throws emend::Error if the memory has no such tensor.
at::Tensor calibration_of(const Memory& memory) {
  const auto found = memory.network.find("calibration");
  if (found == memory.network.end() || found->second.dim() != 2)
    throw Error(kScopes, "the patch's memory has no calibration keys",
                "make the patch again with `emend edit`");
  return found->second.to(at::kCPU);
}

// Which of `count` calibration questions are about one of these facts: (count) bool.
at::Tensor about(const Memory& memory, const std::set<std::string>& facts, int64_t count) {
  const auto codes = memory.network.find("calibration_facts");
  if (codes == memory.network.end()) return at::zeros({count}, at::kBool);
  check_fact_codes(codes->second, count, "the patch's memory");
  return has_fact(codes->second, facts);
}

at::Tensor entry_key(const MemoryEntry& entry, const char* name, int64_t width) {
  const auto found = entry.tensors.find(name);
  if (found == entry.tensors.end() || found->second.sizes() != at::IntArrayRef{width})
    throw Error(kScopes,
                fmt::format("the patch's memory: entry '{}' has no {} of this model",
                            entry.name.substr(0, 200),
                            name == std::string("key") ? "key" : "key of consequences"),
                "make the patch again with `emend edit`");
  return found->second.to(at::kCPU);
}

}  // namespace

LedgerScopes::LedgerScopes(const Patch& patch)
    : settings_(read_settings<LedgerSettings>("ledger", patch.settings)),
      shape_(read_settings<LedgerConfig>("ledger", patch.memory.reading)) {
  at::NoGradGuard no_grad;
  const auto calibration = calibration_of(patch.memory);
  const auto question = calibration.size(1) - kSketchWidth;
  const bool follow =
      shape_.consequences && settings_.consequence_weight > 0 && settings_.scope == "all";
  std::vector<at::Tensor> all, consequences;
  for (const auto& entry : patch.memory.entries) {
    all.push_back(entry_key(entry, "key", calibration.size(1)));
    if (follow) consequences.push_back(entry_key(entry, "consequences", question));
    names_.push_back(entry.name);
  }
  const auto keys = scoped(at::stack(all));
  KeyIndex index(keys);
  superseded_ = index.last_near(settings_.supersede);
  std::vector<int64_t> active;
  for (size_t i = 0; i < superseded_.size(); ++i) {
    if (superseded_[i] >= 0) continue;
    active.push_back(static_cast<int64_t>(i));
    const auto& facts = patch.memory.entries[i].facts;
    if (facts.is_object() && facts.contains("fact"))
      facts_.insert(json_get<std::string>(facts, "fact", "the patch's memory"));
  }
  active_ = at::tensor(active, at::kLong);
  keys_.emplace(active.size() == superseded_.size() ? std::move(index)
                                                    : KeyIndex(keys.index_select(0, active_)));
  if (!consequences.empty())
    consequences_.emplace(at::stack(consequences).index_select(0, active_));
  certificate_.risk = settings_.risk;
  certificate_.confidence = settings_.confidence;
  certificate_.threshold = settings_.limit;
  if (settings_.risk == 1) return;
  const auto edited = about(patch.memory, facts_, calibration.size(0));
  const auto unrelated = calibration.index_select(0, edited.logical_not().nonzero().squeeze(1));
  certificate_ = certify(nearest(unrelated).first, settings_.risk, settings_.confidence,
                         settings_.limit, calibration.size(0) - unrelated.size(0));
}

at::Tensor LedgerScopes::scoped(const at::Tensor& all) const {
  const auto question = all.size(1) - kSketchWidth, text = shape_.embedding;
  if (settings_.scope == "text") return all.narrow(1, 0, text);
  if (settings_.scope == "picture") return all.narrow(1, text, question - text);
  if (settings_.answer_weight == 0) return all.narrow(1, 0, question);
  return at::cat({all.narrow(1, 0, question),
                  all.narrow(1, question, kSketchWidth) * std::sqrt(settings_.answer_weight / 2)},
                 1);
}

std::pair<at::Tensor, LedgerScopes::Route> LedgerScopes::nearest(const at::Tensor& keys) const {
  auto [distance, entry] = keys_->nearest(scoped(keys));
  auto follows = at::zeros_like(entry, at::kBool);
  if (consequences_) {
    const auto question = keys.size(1) - kSketchWidth;
    auto [other, of] = consequences_->nearest(keys.narrow(1, 0, question));
    other = other * settings_.consequence_weight;
    follows = other < distance;
    entry = at::where(follows, of, entry);
    distance = at::minimum(distance, other);
  }
  return {distance, {active_.index_select(0, entry), follows}};
}

LedgerScopes::Route LedgerScopes::route(const at::Tensor& keys) const {
  auto [distance, route] = nearest(keys.to(at::kCPU));
  const auto inside = distance < certificate_.threshold;
  return {at::where(inside, route.entry, at::full_like(route.entry, -1)), route.follows & inside};
}

nlohmann::json LedgerScopes::facts() const {
  auto superseded = nlohmann::json::array();
  for (size_t i = 0; i < superseded_.size(); ++i)
    if (superseded_[i] >= 0)
      superseded.push_back(
          {{"entry", names_[i]}, {"by", names_[static_cast<size_t>(superseded_[i])]}});
  return {{"certificate", certificate_.json()}, {"superseded", superseded}};
}

}  // namespace emend
