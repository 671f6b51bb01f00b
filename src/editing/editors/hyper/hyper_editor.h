#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "editing/editor.h"
#include "editing/settings/settings.h"
#include "editing/targets/target_modules.h"
#include "editing/training/checkpoint.h"
#include "editing/training/gradient_factors.h"
#include "editing/training/trained_state.h"
#include "models/caching/prefix.h"

namespace emend {

// Settings of an editor with networks that must be trained before the first edit.
struct HyperSettings {
  std::string module = "language";
  std::string checkpoint;  // a trained editor; empty: the one in the model folder
  std::string sites;       // that the checkpoint must have; empty: any

  void declare(SettingList& list);
};

// The deltas that the networks compute for the edits of a batch.
struct HyperEdit {
  std::vector<EditDeltas> deltas;
  std::vector<double> losses;       // before each step
  int64_t steps = 1;                // gradients taken
  std::string failure_reason;       // stop_reason of an edit that does not hold
  nlohmann::json effect = nullptr;  // further fields of the patch's effect
  std::vector<SiteKeys> keys = {};  // of the patch
  // Adapts the joined change of a site, if it is set.
  std::function<WeightDelta(const SiteDelta&)> adapt = {};
};

// Throws emend::Error unless a checkpoint, which changes `trained`, changes just the sites of the
// glob `wanted`; empty: any.
void require_sites(const Model& model, const std::string& wanted, const std::vector<Site>& trained,
                   const std::string& file);

// Applies the deltas and measures the edit. Throws emend::Error if the edit has no gradient at any
// site, or if the loss after the edit is not finite.
Patch hyper_patch(const Editor& editor, const Vlm& vlm, const std::vector<EditRequest>& requests,
                  const EditContext& context, const ForcedBatch& forced, Pass prefix,
                  const HyperEdit& edit);

// Base of the editors whose trained networks turn gradients into low-rank deltas (MEND, KE). State:
// the networks of the editor for one model, with `network.sites()` and `end_of_answer`.
template <class State>
class HyperEditor : public Editor {
 public:
  size_t first_stage(const Model& model) const override {
    // Before a checkpoint is loaded, any block of the module can be edited.
    if (const auto* known = state_.known()) return first_stage_of(model, known->network.sites());
    return model.first_stage(module_part(module_));
  }

  Patch edit(const Vlm& vlm, const std::vector<EditRequest>& requests,
             const EditContext& context = {}) const override {
    const auto& state = this->state(vlm);
    const auto forced = force_edits(vlm, requests, state.end_of_answer);
    const auto first = first_stage_of(*vlm.model, state.network.sites());
    const auto prefix = forward_until(vlm, forced.batch, first, context.base, context.store);
    at::NoGradGuard no_grad;
    const auto edit = propose(vlm, state, requests, prefix, forced, context);
    return hyper_patch(*this, vlm, requests, context, forced, prefix, edit);
  }

 protected:
  explicit HyperEditor(const HyperSettings& settings)
      : module_(settings.module), checkpoint_(settings.checkpoint), sites_(settings.sites) {}
  // An editor that is still in training.
  explicit HyperEditor(std::shared_ptr<const State> state) : state_(std::move(state)) {}

  // Makes the networks from a checkpoint, and removes from it the tensors that only training uses.
  // `module`: see require_module.
  virtual State load(const Model& model, EditorCheckpoint& checkpoint, const std::string& module,
                     const std::string& file) const = 0;
  virtual HyperEdit propose(const Vlm& vlm, const State& state,
                            const std::vector<EditRequest>& requests, const Pass& prefix,
                            const ForcedBatch& forced, const EditContext& context) const = 0;

 private:
  const State& state(const Vlm& vlm) const {
    return state_.of(vlm, [&](const std::string& base) {
      const auto file = checkpoint_.empty() ? find_checkpoint(vlm, name(), module_) : checkpoint_;
      auto checkpoint = load_checkpoint(file, name(), base);
      auto state = std::make_shared<State>(load(*vlm.model, checkpoint, module_, file));
      state->network.load(checkpoint.tensors, file);
      require_sites(*vlm.model, sites_, state->network.sites(), file);
      return state;
    });
  }

  std::string module_ = "language", checkpoint_, sites_;
  TrainedState<State> state_;
};

}  // namespace emend
