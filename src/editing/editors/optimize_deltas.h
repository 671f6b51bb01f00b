#pragma once

#include <functional>
#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/settings/settings.h"

namespace emend {

// How weight deltas are optimized, shared by all editors that do.
struct DeltaOptimizerSettings {
  std::string optimizer = "adamw";
  int64_t steps = 500;
  double lr = 0;  // 0: the editor's own choice
  double weight_decay = 0;
  double clip = 0;
  double stop_loss = 0.05;
  bool end_of_answer = true;
  std::string objective = "target";
  bool adaptive = true;
  int64_t seed = 0;

  // `lr_meaning`: which learning rate the editor chooses for 0.
  void declare(SettingList& list, const char* lr_meaning);
  // Takes the editor's own learning rate where none is set. A run with a given learning rate is
  // the plain algorithm unless `given`, the settings as they were read, says `adaptive`.
  void complete(const nlohmann::json& given, double own_lr);
};

// Weight changes and the leaves that they are made of.
struct DeltaParameters {
  std::vector<at::Tensor> leaves;                // float32, requiring grad
  std::function<std::vector<SiteDelta>()> read;  // the deltas as the leaves are now
  double bound = 0;                              // above 0: no element of a leaf goes beyond it
};

// Optimizes the leaves until the model gives the targets, and returns the patch with the deltas
// that are not zero. What runs before `first`, the first stage that the deltas change, runs once,
// comes from context.store where that has it, and sees no gradient. `settings.lr` is what is used.
// With `settings.adaptive` the rate follows AdaptiveRate, an answer whose loss falls too slowly is
// learned by the cross-entropy of sharpened logits, and the patch has the best weights that were
// seen; otherwise the algorithm is the plain one and the patch has the last weights.
// `effect` of the patch: steps, loss_before, loss_after, holds, stop_reason ("holds", "step_limit",
// "diverged", "no_progress"), losses (at most 200), failed_tokens (position, expected, predicted).
// Throws emend::Error when the edit has no gradient at any site, or when the loss or a weight is no
// longer finite and the rate does not adapt.
Patch optimize_deltas(const Editor& editor, const Vlm& vlm,
                      const std::vector<EditRequest>& requests, const EditContext& context,
                      size_t first, const DeltaOptimizerSettings& settings,
                      const DeltaParameters& parameters);

// A patch that says what it is for: base, editor, settings and request. Deltas, effect and id are
// the editor's.
Patch patch_for(const Editor& editor, const Vlm& vlm, const std::vector<EditRequest>& requests);

}  // namespace emend
