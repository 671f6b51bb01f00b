#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "editing/editors/liveedit/liveedit.h"
#include "editing/training/trainer.h"

namespace emend {

// Training of LiveEdit [arXiv 2411.15432]. A step has the experts of its examples. The loss is
//   edit_weight * nll of the edits + generality_weight * (nll of a reworded question + nll of a
//   question about another picture) + locality_weight * KL(after || before) of an unrelated
//   question + soft_routing_weight * soft_routing_loss + hard_routing_weight * (neighbor_loss +
//   sentinel_loss)
// where the questions of an example are drawn, nll and KL are means over the tokens of an answer
// and over the examples, and questions are routed by their texts only. Beside its own expert, a
// question uses the first k experts of the step, and an unrelated question only these; k is drawn
// for each question.
struct LiveEditTrainingSettings {
  LiveEditConfig config;
  double edit_weight = 1, generality_weight = 1, locality_weight = 1;
  double soft_routing_weight = 1, hard_routing_weight = 1;
  bool end_of_answer = true;
  int64_t seed = 0;
  TrainSettings training;

  LiveEditTrainingSettings();
  void declare(SettingList& list);
};

// LiveEdit in training.
class TrainableLiveEdit : public TrainableEditor {
 public:
  TrainableLiveEdit(const Vlm& vlm, const nlohmann::json& settings, ActivationStore* store);
  std::string editor() const override { return "liveedit"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  const TrainSettings& training() const override { return settings_.training; }
  std::vector<TrainableParameter> parameters() const override;
  std::map<std::string, at::Tensor> tensors() const override;
  void load(const std::map<std::string, at::Tensor>& tensors, const std::string& file) override;
  // The routing losses compare all examples of a step.
  bool has_independent_examples() const override { return false; }
  // `generality` has the nll, `image_locality` the KL, and `ranks` the losses of the routing. The
  // drawn questions depend only on the seed and on the examples. Throws emend::Error if an edit has
  // no picture.
  EditLosses losses(const std::vector<EditExample>& examples, int64_t step) override;
  std::unique_ptr<Editor> as_editor() const override {
    return std::make_unique<LiveEditEditor>(std::shared_ptr<const LiveEditState>(state_));
  }

 private:
  const Vlm& vlm_;
  ActivationStore* store_;
  LiveEditTrainingSettings settings_;
  std::shared_ptr<LiveEditState> state_;
};

}  // namespace emend
