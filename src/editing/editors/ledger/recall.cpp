#include "editing/editors/ledger/recall.h"

#include <map>

#include "editing/editors/memory/entries.h"
#include "editing/editors/memory/prompt_answers.h"
#include "io/strings/blank.h"
#include "text/strings.h"

namespace emend {
namespace {

LedgerState saved_state(const Vlm& vlm, const Patch& patch) {
  LedgerState state(*vlm.model, read_settings<LedgerConfig>("ledger", patch.memory.reading));
  state.load(patch.memory.network, kPatchMemory);
  return state;
}

// (K) bool: lines of the flattened logits of `pass` that predict a token of their prompt.
at::Tensor predicts_prompt(const Pass& pass, const at::Tensor& lines) {
  const auto at = pass.logit_positions.defined()
                      ? pass.logit_positions.to(lines.device()).index_select(0, lines)
                      : lines;
  const auto width = pass.positions.size(1);
  return at.remainder(width) < prompt_ends(pass).index_select(0, at.div(width, "floor"));
}

}  // namespace

LedgerRecall::LedgerRecall(const Vlm& vlm, const Patch& patch, ActivationStore* store)
    : vlm_(vlm),
      store_(store),
      settings_(LedgerSettings::of(patch)),
      state_(saved_state(vlm, patch)),
      scopes_(LedgerScopes::of(patch)) {
  for (const auto& entry : scopes_->entries()) entry->change(*vlm.model);
}

size_t LedgerRecall::chained_entry(size_t index, const at::Tensor& key) const {
  const auto& entries = scopes_->entries();
  const auto target = trimmed(entries[index]->target);
  const auto text_of = [&](const at::Tensor& of) {
    return of.narrow(0, 0, state_.shape.embedding);
  };
  auto nearest = settings_.chain_limit;
  auto found = index;
  for (size_t i = 0; i < entries.size() && settings_.chain_limit > 0 && !target.empty(); ++i) {
    const auto& other = *entries[i];
    if (i == index || scopes_->superseded()[i] >= 0 || other.has_image ||
        text::find_whole_words(other.prompt, target) == std::string::npos)
      continue;
    const auto distance =
        (text_of(other.key(state_.width())) - text_of(key)).square().sum().item<double>();
    if (distance >= nearest) continue;
    nearest = distance;
    found = i;
  }
  return found;
}

at::Tensor LedgerRecall::mix(const Pass& pass, const at::Tensor& logits) const {
  RecalledAnswer recalled;
  {
    at::NoGradGuard no_grad;
    if (!pass.cache) {
      recalled = begin(pass, logits);
    } else {
      auto& kept = pass.cache->kept[this];
      if (!kept)
        kept = std::make_shared<RecalledAnswer>(begin(pass, logits));
      else
        static_cast<RecalledAnswer*>(kept.get())->next(*vlm_.model, pass);
      recalled = *static_cast<RecalledAnswer*>(kept.get());
    }
  }
  const auto& answer = recalled.answer;
  if (answer.empty()) return logits;
  auto lines = answer.logits();
  if (recalled.follows.any().item<bool>()) {
    const auto before = logits.reshape({-1, logits.size(-1)}).index_select(0, answer.lines());
    const auto [confidence, best] = lines.to(at::kFloat).softmax(-1).max(-1);
    auto unchanged = (before.argmax(-1) == best) | (confidence < settings_.consequence_confidence);
    if (recalled.in_prompt.defined()) unchanged = unchanged | recalled.in_prompt;
    unchanged = unchanged & recalled.follows.index_select(0, answer.row_of());
    lines = at::where(unchanged.unsqueeze(-1), before, lines.to(before.scalar_type()));
  }
  return answer.replaced(logits, lines);
}

LedgerRecall::RecalledAnswer LedgerRecall::begin(const Pass& pass, const at::Tensor& logits) const {
  const auto& model = *vlm_.model;
  const auto batch = rows_of(pass);
  const auto image_features = get_image_features(vlm_, batch.pixels, store_);
  // Not those of another memory, which may have replaced the answer.
  auto answers = prompt_answers(pass, pass.unmixed_logits.defined() ? pass.unmixed_logits : logits);
  if (!answers.defined()) answers = prompt_answers(model, batch, image_features);
  const auto keys = state_.key_of(vlm_, batch, image_features, answers);
  const auto routes = scopes_->route(keys);
  const auto routed = routes.entry.contiguous(), follows = routes.follows.contiguous();
  ScopedRows scoped;
  std::map<size_t, std::vector<size_t>> rows_by_entry;
  std::vector<int64_t> follow;
  for (int64_t row = 0; row < routed.size(0); ++row) {
    const auto entry = routed.data_ptr<int64_t>()[row];
    if (entry < 0) continue;
    auto index = static_cast<size_t>(entry);
    follow.push_back(follows.data_ptr<bool>()[row]);
    if (follow.back()) index = chained_entry(index, keys[row].to(at::kCPU));
    rows_by_entry[index].push_back(scoped.rows.size());
    scoped.rows.push_back(row);
  }
  const bool in_context = settings_.context != "never";  // the edit is put in front of the question
  auto changes = in_context ? state_.counterfactual.interventions() : Interventions();
  std::map<size_t, EditPrefix> prefixes;
  scoped.prefixes.resize(scoped.rows.size());
  for (const auto& [index, rows] : rows_by_entry) {
    const auto& entry = *scopes_->entries()[index];
    auto& prefix = prefixes[index];
    if (in_context)
      prefix = EditPrefix::of(vlm_.processor, state_.shape.edit_prefix, entry.prompt, entry.target);
    std::vector<bool> scope(scoped.rows.size(), false);
    for (const auto row : rows) {
      scope[row] = true;
      scoped.prefixes[row] = &prefix;
    }
    for (const auto& change : on_weights(entry.change(model)))
      changes.push_back(change.on_rows(scope));
  }
  RecalledAnswer recalled;
  recalled.answer = ScopedAnswer(model, pass, batch, image_features, scoped, std::move(changes));
  recalled.follows = at::tensor(follow, at::kLong).to(at::kBool).to(model.device());
  if (!recalled.answer.empty()) recalled.in_prompt = predicts_prompt(pass, recalled.answer.lines());
  return recalled;
}

void LedgerRecall::RecalledAnswer::next(const Model& model, const Pass& pass) {
  answer.next(model, pass);
  in_prompt = at::Tensor();
}

}  // namespace emend
