#include "editing/editors/ledger/scopes/scopes.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "editing/editors/ledger/scopes/fact_codes.h"
#include "editing/editors/ledger/scopes/question_texts.h"
#include "editing/editors/memory/entries.h"
#include "io/error.h"
#include "text/strings.h"

namespace emend {
namespace {

constexpr const char* kScopes = "editing::ledger";

// Throws emend::Error if the memory has no such tensor.
at::Tensor calibration_of(const Memory& memory) {
  const auto found = memory.network.find("calibration");
  if (found == memory.network.end() || found->second.dim() != 2)
    throw Error(kScopes, fmt::format("{} has no calibration keys", kPatchMemory),
                "make the patch again with `emend edit`");
  return found->second.to(at::kCPU);
}

// The texts of the calibration questions, or none.
std::vector<std::string> calibration_texts(const Memory& memory, int64_t count) {
  const auto texts = memory.network.find("calibration_texts");
  if (texts == memory.network.end()) return {};
  return texts_of_bytes(texts->second, count, kPatchMemory);
}

at::Tensor appended(const at::Tensor& known, const at::Tensor& rows) {
  return known.defined() ? at::cat({known, rows}) : rows;
}

}  // namespace

LedgerScopes::LedgerScopes(const Patch& patch)
    : settings_json_(patch.settings),
      config_json_(patch.memory.reading),
      settings_(LedgerSettings::of(patch)),
      shape_(read_settings<LedgerConfig>("ledger", patch.memory.reading)),
      calibration_(calibration_of(patch.memory)),
      texts_(std::make_shared<const std::vector<std::string>>(
          calibration_texts(patch.memory, calibration_.size(0)))) {
  at::NoGradGuard no_grad;
  if (settings_.answer_weight < 0) settings_.answer_weight = shape_.answer_weight;
  to_keys_ = CalibrationDistances(scope_keys(calibration_));
  to_consequences_ =
      CalibrationDistances(calibration_.narrow(1, 0, calibration_.size(1) - kSketchWidth));
  extend(patch.memory);
}

std::shared_ptr<const LedgerScopes> LedgerScopes::of(const Patch& patch) {
  const auto& memory = patch.memory;
  if (!memory.growing) return std::make_shared<const LedgerScopes>(patch);
  const auto known = std::dynamic_pointer_cast<const LedgerScopes>(memory.cache);
  std::shared_ptr<const LedgerScopes> result = known;
  if (!known || !known->is_prefix_of(patch)) {
    result = std::make_shared<const LedgerScopes>(patch);
  } else if (known->entries_.size() < memory.entries.size()) {
    at::NoGradGuard no_grad;
    const auto more = std::shared_ptr<LedgerScopes>(new LedgerScopes(*known));
    more->extend(memory);
    result = more;
  }
  memory.cache = result;
  return result;
}

bool LedgerScopes::is_prefix_of(const Patch& patch) const {
  return entries_.size() <= patch.memory.entries.size() && settings_json_ == patch.settings &&
         config_json_ == patch.memory.reading;
}

void LedgerScopes::extend(const Memory& memory) {
  const auto question = calibration_.size(1) - kSketchWidth;
  const bool follow =
      shape_.consequences && settings_.consequence_weight > 0 && settings_.scope == "all";
  const auto first = entries_.size();
  std::vector<at::Tensor> keys, consequences;
  for (auto i = first; i < memory.entries.size(); ++i) {
    const auto entry = std::make_shared<const LedgerEntry>(LedgerEntry::read(memory.entries[i]));
    keys.push_back(entry->key(calibration_.size(1)));
    if (follow) consequences.push_back(entry->consequences(question));
    entries_.push_back(entry);
  }
  all_keys_ = appended(all_keys_, scope_keys(at::stack(keys)));
  if (follow) all_consequences_ = appended(all_consequences_, at::stack(consequences));

  std::vector<bool> was_active;
  for (const auto by : superseded_) was_active.push_back(by < 0);
  const auto index = supersede(static_cast<int64_t>(first));
  std::vector<int64_t> active;
  for (size_t i = 0; i < superseded_.size(); ++i)
    if (superseded_[i] < 0) active.push_back(static_cast<int64_t>(i));
  active_ = at::tensor(active, at::kLong);
  keys_ = index && active.size() == entries_.size()
              ? index
              : std::make_shared<const KeyIndex>(all_keys_.index_select(0, active_));
  if (follow)
    consequences_ = std::make_shared<const KeyIndex>(all_consequences_.index_select(0, active_));
  calibrate(memory, was_active);
}

std::shared_ptr<const KeyIndex> LedgerScopes::supersede(int64_t first) {
  const auto count = all_keys_.size(0);
  if (first == 0) {
    auto index = std::make_shared<const KeyIndex>(all_keys_);
    superseded_ = index->last_near(settings_.supersede);
    return index;
  }
  superseded_.resize(static_cast<size_t>(count), -1);
  for (auto i = first; i < count; ++i)
    for (const auto near : near_keys(all_keys_.slice(0, 0, i), all_keys_[i], settings_.supersede))
      superseded_[static_cast<size_t>(near)] = i;
  return nullptr;
}

at::Tensor LedgerScopes::entries_about(const Memory& memory,
                                       const std::vector<size_t>& entries) const {
  const auto count = calibration_.size(0);
  auto about = at::zeros({count}, at::kInt);
  if (const auto codes = memory.network.find("calibration_facts"); codes != memory.network.end()) {
    check_fact_codes(codes->second, count, kPatchMemory);
    std::vector<std::string> facts;
    for (const auto entry : entries) facts.push_back(entries_[entry]->fact);
    about = count_facts(codes->second, facts);
  }
  auto* number = about.data_ptr<int32_t>();
  for (const auto entry : entries) {
    const auto& subject = entries_[entry]->subject;
    if (subject.empty()) continue;
    for (size_t i = 0; i < texts_->size(); ++i)
      number[i] += text::find_whole_words((*texts_)[i], subject) != std::string::npos;
  }
  return about;
}

void LedgerScopes::calibrate(const Memory& memory, const std::vector<bool>& was_active) {
  certificate_ = {settings_.risk, settings_.confidence, 0, 0, 0, settings_.limit};
  if (settings_.risk == 1) return;
  const auto count = calibration_.size(0);
  auto active = at::zeros({all_keys_.size(0)}, at::kBool);
  std::set<int64_t> blocks;
  std::vector<size_t> added, removed;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    const bool is = superseded_[i] < 0, was = i < was_active.size() && was_active[i];
    active.data_ptr<bool>()[i] = is;
    if (is != was || i >= was_active.size()) blocks.insert(CalibrationDistances::block_of(index));
    if (is != was) (is ? added : removed).push_back(i);
  }
  for (const auto block : blocks) {
    to_keys_.update(block, all_keys_, active);
    if (consequences_) to_consequences_.update(block, all_consequences_, active);
  }
  const auto more = entries_about(memory, added) - entries_about(memory, removed);
  edited_ = edited_.defined() ? edited_ + more : more;

  auto distances = to_keys_.nearest();
  if (consequences_)
    distances = at::minimum(distances, to_consequences_.nearest() * settings_.consequence_weight);
  const auto unrelated = distances.masked_select(edited_ == 0);
  certificate_ = certify(unrelated, settings_.risk, settings_.confidence, settings_.limit,
                         count - unrelated.size(0));
}

bool LedgerScopes::edits(const std::string& fact) const {
  if (fact.empty()) return false;
  for (size_t i = 0; i < entries_.size(); ++i)
    if (superseded_[i] < 0 && entries_[i]->fact == fact) return true;
  return false;
}

at::Tensor LedgerScopes::scope_keys(const at::Tensor& all) const {
  const auto question = all.size(1) - kSketchWidth, text = shape_.embedding;
  if (settings_.scope == "text") return all.narrow(1, 0, text);
  if (settings_.scope == "picture") return all.narrow(1, text, question - text);
  if (settings_.answer_weight == 0) return all.narrow(1, 0, question);
  return at::cat({all.narrow(1, 0, question),
                  all.narrow(1, question, kSketchWidth) * std::sqrt(settings_.answer_weight / 2)},
                 1);
}

LedgerScopes::Route LedgerScopes::route(const at::Tensor& keys) const {
  const auto own = keys.to(at::kCPU);
  const auto threshold = certificate_.threshold;
  auto [distance, entry] = keys_->nearest_within(scope_keys(own), threshold);
  auto follows = at::zeros_like(entry, at::kBool);
  if (consequences_) {
    const auto question = own.size(1) - kSketchWidth;
    auto [other, of] = consequences_->nearest_within(own.narrow(1, 0, question),
                                                     threshold / settings_.consequence_weight);
    other = other * settings_.consequence_weight;
    follows = other < distance;
    entry = at::where(follows, of, entry);
    distance = at::minimum(distance, other);
  }
  const auto inside = distance < threshold;
  const auto active = active_.index_select(0, entry);
  return {at::where(inside, active, at::full_like(active, -1)), follows & inside};
}

nlohmann::json LedgerScopes::facts() const {
  auto superseded = nlohmann::json::array();
  for (size_t i = 0; i < superseded_.size(); ++i)
    if (superseded_[i] >= 0)
      superseded.push_back(
          {{"entry", entries_[i]->stored.name},
           {"by", entries_[static_cast<size_t>(superseded_[i])]->stored.name}});
  return {{"certificate", certificate_.json()}, {"superseded", superseded}};
}

}  // namespace emend
