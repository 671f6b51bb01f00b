#include "editing/editors/locate/edit_effect.h"

#include "editing/editors/failed_tokens.h"
#include "editing/training/forced.h"
#include "models/caching/prefix.h"
#include "nn/loss.h"

namespace emend {

nlohmann::json edit_effect(const Vlm& vlm, const std::vector<EditRequest>& requests,
                           bool end_of_answer, size_t first, const EditContext& context,
                           const std::vector<SiteDelta>& deltas) {
  at::NoGradGuard no_grad;
  const auto forced = force_edits(vlm, requests, end_of_answer);
  auto pass = forward_until(vlm, forced.batch, first, context.base, context.store);
  pass.logit_positions = answer_positions(forced).to(vlm.model->device());
  auto interventions = context.base;
  for (auto& change : on_weights(deltas)) interventions.push_back(std::move(change));
  vlm.model->run(pass, interventions);
  const auto tokens = answer_tokens(forced).to(vlm.model->device());
  const auto logits = pass.logits().to(at::kFloat);
  const auto best = logits.argmax(-1);
  const auto predicted = best.to(at::kCPU).contiguous();
  const auto* ids = predicted.data_ptr<int64_t>();
  return {{"loss_after", answer_loss(logits, tokens).item<double>()},
          {"holds", best.eq(tokens).all().item<bool>()},
          {"failed_tokens",
           failed_tokens(vlm.processor, forced.answers, {ids, ids + predicted.numel()})}};
}

}  // namespace emend
