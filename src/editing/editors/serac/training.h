#pragma once

#include <memory>

#include "editing/editors/serac/serac.h"
#include "editing/training/trainer.h"

namespace emend {

// Training of SERAC. The questions of other examples of a step are out of scope, as are the
// example's own locality questions. The loss is
//   scope_weight * (mean of -log s over questions in scope
//                   + mean of -log(1 - s) over own locality + the same over other examples
//                   + both again over combinations of the step's texts and pictures)
//   + edit_weight * nll of the counterfactual model for edits and generality questions.
struct SeracTrainingSettings {
  SeracConfig shape;
  double scope_weight = 1, edit_weight = 1;
  double texts = 0.125;  // share of a step's examples that lose their picture
  int64_t answers = 0;   // maximum number of questions for each example; 0: all
  bool end_of_answer = true;
  int64_t seed = 0;
  TrainSettings training;

  SeracTrainingSettings();
  void declare(SettingList& list);
};

// SERAC in training.
class TrainableSerac : public TrainableEditor {
 public:
  TrainableSerac(const Vlm& vlm, const nlohmann::json& settings, ActivationStore* store);
  std::string editor() const override { return "serac"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  const TrainSettings& training() const override { return settings_.training; }
  std::vector<TrainableParameter> parameters() const override;
  std::map<std::string, at::Tensor> tensors() const override { return state_->tensors(); }
  void load(const std::map<std::string, at::Tensor>& tensors, const std::string& file) override {
    state_->load(tensors, file);
  }
  // `generality` has the nll and the share of questions wrongly out of scope. The localities have
  // the shares of questions wrongly in scope.
  // Its questions are compared with the edits of all examples.
  bool has_independent_examples() const override { return false; }
  EditLosses losses(const std::vector<EditExample>& examples, int64_t step) override;
  std::unique_ptr<Editor> as_editor() const override {
    return std::make_unique<SeracEditor>(std::shared_ptr<const SeracState>(state_));
  }

 private:
  const Vlm& vlm_;
  ActivationStore* store_;
  SeracTrainingSettings settings_;
  std::shared_ptr<SeracState> state_;
};

}  // namespace emend
