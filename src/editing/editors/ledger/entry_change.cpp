#include "editing/editors/ledger/entry_change.h"

#include "editing/editors/locate/contexts/context_templates.h"
#include "editing/training/forced.h"
#include "io/error.h"
#include "models/caching/prefix.h"

namespace emend {

std::vector<std::string> entry_change_names() {
  return {"none", "lora", "mend", "mend-iterated", "rome", "memit"};
}

EntryChange entry_change(const Vlm& vlm, const EditRequest& request, const LedgerState& state,
                         const LedgerSettings& settings, const EditContext& context) {
  auto posed = request;
  EditContext alone;
  alone.on_step = context.on_step;
  if (settings.context != "never") {
    posed = with_prefix(
        vlm, request, filled_edit_prefix(state.shape.edit_prefix, request.prompt, request.target));
    alone.base = state.counterfactual.interventions();
  }
  nlohmann::json options = {{"module", "language"}, {"seed", settings.seed}};
  if (settings.change == "lora") options["rank"] = 1;
  if (!settings.end_of_answer && !settings.change.starts_with("mend"))
    options["end_of_answer"] = false;  // mend was trained with or without it
  const auto patch = make_editor(settings.change, options)->edit(vlm, {posed}, alone);
  for (const auto& [site, delta] : patch.deltas)
    if (!delta.low_rank())
      throw Error("editing::ledger",
                  "the change of " + site + " by '" + settings.change + "' is not low-rank",
                  "use another editor of the change (--set change=lora)");
  return {patch.deltas, patch.effect};
}

std::vector<bool> edits_hold(const Vlm& vlm, const std::vector<EditRequest>& requests,
                             bool end_of_answer, const Interventions& interventions,
                             ActivationStore* store) {
  at::NoGradGuard no_grad;
  const auto forced = force_edits(vlm, requests, end_of_answer);
  auto pass = forward_until(vlm, forced.batch, vlm.model->first_stage(Module::language), {}, store);
  pass.logit_positions = answer_positions(forced).to(vlm.model->device());
  vlm.model->run(pass, interventions);
  const auto right = pass.logits().argmax(-1).to(at::kCPU).eq(answer_tokens(forced)).contiguous();
  std::vector<bool> holds;
  int64_t token = 0;
  for (const auto& answer : forced.answers) {
    bool all = true;
    for (size_t i = 0; i < answer.size(); ++i) all = right.data_ptr<bool>()[token++] && all;
    holds.push_back(all);
  }
  return holds;
}

}  // namespace emend
