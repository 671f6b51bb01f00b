#pragma once

#include <vector>

#include "editing/editor.h"
#include "editing/editors/lifelong/wise_memory.h"
#include "editing/training/forced.h"

namespace emend {

// The inputs and outputs of a layer of the language module for a batch of prompts.
struct PromptInputs {
  at::Tensor input;      // (B, T, in) float32
  at::Tensor output;     // (B, T, out) float32
  at::Tensor positions;  // (B, T) bool; see prompt_positions

  // (B): see routing_activation. change: (out, in).
  at::Tensor activations(const at::Tensor& change, const std::string& statistic) const {
    return routing_activation(at::linear(input, change), positions, statistic);
  }
};

// Runs the stage of `site` from `pass`, which is before this stage.
PromptInputs read_prompts(const Model& model, const Pass& pass, const Site& site,
                          const Interventions& base);

// The side copy of a shard before an edit.
struct SideCopy {
  at::Tensor change;  // (out, in) float32
  at::Tensor mask;    // (n) int64; see wise_mask
};

// An edit of the side copy.
struct SideEdit {
  at::Tensor values;               // (n) change of the elements of the mask
  at::Tensor keys;                 // (positions, in)
  std::vector<double> losses;      // nats per token, before each step and at the end
  double inside = 0, outside = 0;  // activations: of the edit, the largest of unrelated questions
};

// Trains the side copy for one edit [WISE, arXiv 2405.14768]. The loss is
//   nll(target) + mean max(0, out - alpha) + mean max(0, beta - in) + mean max(0, gamma + out - in)
// with the activations `in` of the questions of the edit, and `out` of unrelated questions, and the
// margins alpha, beta and gamma. A step changes the elements of the mask by lr times the gradient,
// and the change of each weight is limited. With settings.relative, the gradient of a step is
// scaled to the root mean square of the weight, which is also the unit of the limit; the unit of
// the margins is the mean norm of the layer's output at the first question. The first question of
// `inside` is the edit. Throws emend::Error if the loss is not finite, or does not depend on the
// site.
SideEdit train_side_copy(const Vlm& vlm, const ForcedBatch& inside, const ForcedBatch& outside,
                         const Site& site, const SideCopy& copy, const WiseSettings& settings,
                         const EditContext& context);

}  // namespace emend
