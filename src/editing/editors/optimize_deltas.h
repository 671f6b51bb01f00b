#pragma once

#include <functional>
#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/settings/settings.h"

namespace emend {

// The settings of the optimization of weight deltas, which all optimizing editors share.
struct DeltaOptimizerSettings {
  std::string optimizer = "adamw";
  int64_t steps = 500;
  double lr = 0;  // 0: the default of the editor
  double weight_decay = 0;
  double clip = 0;
  double stop_loss = 0.05;
  bool end_of_answer = true;
  std::string objective = "target";
  bool adaptive = true;
  int64_t seed = 0;

  // `lr_meaning` describes the setting lr, with the editor's default.
  void declare(SettingList& list, const char* lr_meaning);
  // Sets lr to `own_lr`, the editor's default, if lr is 0. If lr is set and `given` (the user's
  // settings) does not have `adaptive`, adaptive becomes false: the learning rate is constant.
  void complete(const nlohmann::json& given, double own_lr);
};

// The trainable parameters of weight deltas.
struct DeltaParameters {
  std::vector<at::Tensor> leaves;                // float32, requires_grad is true
  std::function<std::vector<SiteDelta>()> read;  // makes the deltas from the current leaves
  double bound = 0;  // maximum absolute value of the elements of the leaves; 0: unlimited
};

// Optimizes the leaves until the model gives the targets, and returns the patch with the deltas
// that are not zero. `first` is the first stage that the deltas change. The stages before it run
// once, without gradients; their result is taken from context.store if it is stored there. The
// initial learning rate is settings.lr.
//
// If settings.adaptive is true, AdaptiveRate controls the learning rate, the logits in the loss are
// multiplied by a factor above 1 if the loss falls too slowly, and the patch has the best weights
// of all steps. Otherwise the learning rate is constant, and the patch has the weights of the last
// step.
//
// `effect` of the patch: steps, loss_before, loss_after, holds, stop_reason ("holds", "step_limit",
// "diverged", "no_progress"), losses (at most 200), failed_tokens (position, expected, predicted).
// Throws emend::Error if the edit has no gradient at any site, if the loss is not finite before the
// first step, and, with a constant learning rate, if the loss or a weight is no longer finite.
Patch optimize_deltas(const Editor& editor, const Vlm& vlm,
                      const std::vector<EditRequest>& requests, const EditContext& context,
                      size_t first, const DeltaOptimizerSettings& settings,
                      const DeltaParameters& parameters);

// Returns a patch with base, editor, settings and request. The caller adds deltas, effect and id.
Patch patch_for(const Editor& editor, const Vlm& vlm, const std::vector<EditRequest>& requests);

// Throws emend::Error if an earlier edit rewrites requests, so that a change of weights cannot be
// computed on top of it.
void refuse_request_edits(const EditContext& context);

}  // namespace emend
