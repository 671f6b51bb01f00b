#pragma once

#include <array>
#include <memory>

#include "editing/editors/hyper/ke.h"
#include "editing/training/trainer.h"

namespace emend {

// KE in training, by the paper's constrained problem: the least nll of what has to follow subject
// to KL(before || after) of what stays <= margin, with a multiplier alpha >= 0 that climbs:
//   nll + alpha * (KL - margin), minimised by the networks and maximised by alpha.
// The margin is made smaller after each validation at which enough edits hold. `locality_weight` is
// the first alpha, `rates_lr` alpha's learning rate. The defaults are the paper's; presets are for
// the bundled model. Adam takes the place of the authors' RMSprop; they smooth the labels, too.
struct KeTrainSettings {
  KeShape shape;
  double init = 0.1;     // deviation of the last layers' weights at first
  double margin = 1e-3;  // of the sum of the text's and the pictures' mean KL, in nats a position
  double margin_least = 1e-5;
  double margin_factor = 0.8;
  double margin_held = 0.9;  // share of edits that have to hold for the margin to shrink
  int64_t seed = 0;
  LessonWeights weights;
  TrainSettings training;

  KeTrainSettings();
  void declare(SettingList& list);
};

class KeTraining : public Trainee {
 public:
  // Names of tensors that a trained editor does not need.
  static constexpr std::array<const char*, 2> kOnlyTraining = {"alpha", "margin"};

  KeTraining(const Vlm& vlm, const nlohmann::json& settings, ActivationStore* store);
  std::string editor() const override { return "ke"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  const TrainSettings& training() const override { return settings_.training; }
  std::vector<Trained> trained() const override;
  std::map<std::string, at::Tensor> tensors() const override;
  void load(const std::map<std::string, at::Tensor>& tensors, const std::string& file) override;
  LessonLosses learn(const std::vector<Lesson>& lessons) override;
  void validated(double held) override;
  std::unique_ptr<Editor> as_editor() const override { return std::make_unique<KeEditor>(now_); }

 private:
  const Vlm& vlm_;
  ActivationStore* store_;
  KeTrainSettings settings_;
  std::shared_ptr<KeTrained> now_;
  at::Tensor alpha_;   // (), requires grad; its gradient is reversed
  at::Tensor margin_;  // ()
  size_t first_;
  bool reaches_text_;
};

}  // namespace emend
