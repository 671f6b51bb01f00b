#pragma once

#include <array>
#include <memory>

#include "editing/editors/hyper/ke.h"
#include "editing/editors/hyper/trainable_hyper_editor.h"

namespace emend {

// Training of KE, as the paper's constrained optimization: minimize the nll of the generality
// questions subject to KL(before || after) of the locality questions <= margin, with a multiplier
// alpha >= 0:
//   nll + alpha * (KL - margin), minimized by the networks and maximized by alpha.
// The margin decreases after each validation at which enough edits hold. `locality_weight` is the
// initial alpha, and `rates_lr` is the learning rate of alpha. The defaults are the paper's; the
// recipes are for the bundled model. Adam replaces the authors' RMSprop, and labels are not
// smoothed.
struct KeTrainingSettings {
  KeConfig shape;
  double init = 0.1;  // initial standard deviation of the last layers' weights
  double margin =
      1e-3;  // for the sum of the mean KL of texts and of pictures, in nats per position
  double margin_least = 1e-5;
  double margin_factor = 0.8;
  double margin_held = 0.9;  // share of edits that must hold for the margin to decrease
  int64_t seed = 0;
  LossWeights weights;
  TrainSettings training;

  KeTrainingSettings();
  void declare(SettingList& list);
};

// KE in training.
class TrainableKe : public TrainableHyperEditor {
 public:
  // Names of tensors that only training uses.
  static constexpr std::array<const char*, 2> kOnlyTraining = {"alpha", "margin"};

  TrainableKe(const Vlm& vlm, const nlohmann::json& settings, ActivationStore* store);
  std::string editor() const override { return "ke"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  const TrainSettings& training() const override { return settings_.training; }
  std::vector<TrainableParameter> parameters() const override;
  std::map<std::string, at::Tensor> tensors() const override;
  void load(const std::map<std::string, at::Tensor>& tensors, const std::string& file) override;
  EditLosses losses(const std::vector<EditExample>& examples, int64_t step) override;
  void on_validation(double held) override;
  std::unique_ptr<Editor> as_editor() const override { return std::make_unique<KeEditor>(state_); }

 private:
  KeTrainingSettings settings_;
  std::shared_ptr<KeState> state_;
  at::Tensor alpha_;   // (), requires grad; its gradient is reversed
  at::Tensor margin_;  // ()
};

}  // namespace emend
