#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "editing/editors/ledger/keys/feature_pool.h"
#include "editing/editors/ledger/ledger.h"
#include "editing/training/trainer.h"

namespace emend {

// Training of the ledger. The loss is
//   key_weight * (contrast + margins) + edit_weight * nll of the model that reads the edits
//   + locality_weight * reading_locality_loss.
// Keys: for an edit e, a question q in its scope and all questions n that are not,
//   contrast = -log(exp(-b d(e, q)) / (exp(-b d(e, q)) + sum over n of exp(-b d(e, n))))
//   margins  = softplus(b (d(e, q) - 0.5)) + softplus(b 1.5 + log sum over n of exp(-b d(e, n)))
// with squared distances d and b = 3. FeaturePool::step says which questions are out of scope.
struct LedgerTrainingSettings {
  LedgerConfig shape;
  double key_weight = 1, edit_weight = 1, locality_weight = 1;
  double texts = 0.125;  // share of a step's examples that lose their picture
  int64_t answers = 2;   // maximum number of questions for each example; 0: all
  bool end_of_answer = true;
  int64_t pool = 0;          // number of records whose features are computed once; 0: none
  int64_t neighbors = 3;     // per drawn edit of a step, those that are hard to tell from it
  int64_t candidates = 256;  // edits among which they are sought
  int64_t crossed = 3;       // texts of other edits with an edit's pictures
  int64_t calibration =
      1000;  // number of records, one locality question of which calibrates scopes
  int64_t seed = 0;
  TrainSettings training;

  LedgerTrainingSettings();
  void declare(SettingList& list);
};

// Unrelated questions, one of each record, before the key network.
struct CalibrationQuestions {
  QuestionFeatures features;
  at::Tensor answers;              // (B, kSketchWidth)
  std::vector<std::string> facts, prompts;  // of TargetQuery
};

// The ledger in training.
class TrainableLedger : public TrainableEditor {
 public:
  TrainableLedger(const Vlm& vlm, const nlohmann::json& settings, ActivationStore* store);
  std::string editor() const override { return "ledger"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  const TrainSettings& training() const override { return settings_.training; }
  // The loss of the key network contrasts the examples of a step.
  bool has_independent_examples() const override { return settings_.key_weight == 0; }
  std::vector<TrainableParameter> parameters() const override;
  // With the keys of the calibration questions.
  std::map<std::string, at::Tensor> tensors() const override;
  std::map<std::string, at::Tensor> tensors_in(at::ScalarType dtype) const override;
  // A checkpoint of SERAC initializes how the model reads an edit.
  std::vector<std::string> initial_editors() const override { return {"ledger", "serac"}; }
  void load(const std::map<std::string, at::Tensor>& tensors, const std::string& file) override;
  int64_t calibration_records() const override { return settings_.calibration; }
  void add_calibration(const std::vector<EditExample>& examples) override;
  // `generality` has the loss of questions in scope and the nll. The localities have the loss of
  // questions out of scope.
  EditLosses losses(const std::vector<EditExample>& examples, int64_t step) override;
  int64_t pooled_records() const override { return settings_.pool; }
  void pool(const std::vector<EditExample>& examples) override;
  std::unique_ptr<Editor> as_editor() const override {
    return std::make_unique<LedgerEditor>(std::shared_ptr<const LedgerState>(state_));
  }

 private:
  // Adds the losses of the key network, for examples of a pool.
  void add_key_losses(EditLosses& losses, const FeaturePool& pool,
                      const std::vector<size_t>& chosen, int64_t step) const;

  const Vlm& vlm_;
  ActivationStore* store_;
  LedgerTrainingSettings settings_;
  std::shared_ptr<LedgerState> state_;
  std::vector<CalibrationQuestions> calibration_;
  size_t calibrated_ = 0;  // number of records
  FeaturePool pool_;
};

}  // namespace emend
