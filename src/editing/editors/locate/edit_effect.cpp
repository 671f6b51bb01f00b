#include "editing/editors/locate/edit_effect.h"

#include "editing/editors/failed_tokens.h"
#include "editing/training/forced.h"
#include "nn/loss.h"

namespace emend {

nlohmann::json edit_effect(const Vlm& vlm, const std::vector<EditRequest>& requests,
                           bool end_of_answer, const Interventions& interventions) {
  at::NoGradGuard no_grad;
  const auto forced = force_edits(vlm, requests, end_of_answer);
  auto pass = vlm.model->collate(forced.batch);
  pass.logit_positions = answer_positions(forced).to(vlm.model->device());
  vlm.model->run(pass, interventions);
  const auto tokens = answer_tokens(forced).to(vlm.model->device());
  const auto logits = pass.logits().to(at::kFloat);
  const auto best = logits.argmax(-1);
  const auto predicted = best.to(at::kCPU).contiguous();
  const auto* first = predicted.data_ptr<int64_t>();
  return {{"loss_after", answer_loss(logits, tokens).item<double>()},
          {"holds", best.eq(tokens).all().item<bool>()},
          {"failed_tokens",
           failed_tokens(vlm.processor, forced.answers, {first, first + predicted.numel()})}};
}

}  // namespace emend
