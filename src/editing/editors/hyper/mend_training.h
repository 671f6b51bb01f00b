#pragma once

#include <memory>

#include "editing/editors/hyper/mend.h"
#include "editing/editors/hyper/trainable_hyper_editor.h"
#include "editing/targets/block_sites.h"

namespace emend {

// Training of MEND. The defaults are those of EasyEdit. The recipes are for the bundled model.
struct MendTrainingSettings {
  BlockSites where;
  int64_t rank = 1920;  // rank of the networks
  double rate = 1e-4;   // initial step size of every layer; negative: gradient descent
  double init = 1;      // initial standard deviation of V in the networks
  int64_t seed = 0;
  LossWeights weights;
  TrainSettings training;

  void declare(SettingList& list);
};

// Training of MEND with several rounds.
struct MendIteratedTrainingSettings : MendTrainingSettings {
  // Number of gradients for one edit, each of the model as changed by the earlier ones.
  int64_t rounds = 2;

  void declare(SettingList& list);
};

// MEND in training.
class TrainableMend : public TrainableHyperEditor {
 public:
  TrainableMend(const Vlm& vlm, const nlohmann::json& settings, ActivationStore* store);
  std::string editor() const override { return "mend"; }
  std::vector<std::string> initial_editors() const override { return {"mend", "mend-iterated"}; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  const TrainSettings& training() const override { return settings_.training; }
  std::vector<TrainableParameter> parameters() const override;
  std::map<std::string, at::Tensor> tensors() const override { return state_->network.tensors(); }
  void load(const std::map<std::string, at::Tensor>& tensors, const std::string& file) override {
    state_->network.load(state_->network.grown(tensors), file);
  }
  EditLosses losses(const std::vector<EditExample>& examples, int64_t step) override;
  std::unique_ptr<Editor> as_editor() const override {
    return std::make_unique<MendEditor>(state_);
  }

 protected:
  TrainableMend(const Vlm& vlm, const MendTrainingSettings& settings, int64_t rounds,
                ActivationStore* store);
  const std::shared_ptr<MendState>& state() const { return state_; }

 private:
  MendTrainingSettings settings_;
  std::shared_ptr<MendState> state_;
};

// MEND with several rounds in training.
class TrainableMendIterated : public TrainableMend {
 public:
  TrainableMendIterated(const Vlm& vlm, const nlohmann::json& settings, ActivationStore* store);
  std::string editor() const override { return "mend-iterated"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  std::unique_ptr<Editor> as_editor() const override {
    return std::make_unique<MendIteratedEditor>(state());
  }

 private:
  TrainableMendIterated(const Vlm& vlm, const MendIteratedTrainingSettings& settings,
                        ActivationStore* store)
      : TrainableMend(vlm, settings, settings.rounds, store), settings_(settings) {}

  MendIteratedTrainingSettings settings_;
};

}  // namespace emend
