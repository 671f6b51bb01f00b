#pragma once

#include <memory>

#include "editing/editors/hyper/mend.h"
#include "editing/targets/block_sites.h"
#include "editing/training/trainer.h"

namespace emend {

// Training of MEND. The defaults are those of EasyEdit. The recipes are for the bundled model.
struct MendTrainSettings {
  BlockSites where;
  int64_t rank = 1920;  // rank of the networks
  double rate = 1e-4;   // initial step size of every layer; negative: gradient descent
  double init = 1;      // initial standard deviation of V in the networks
  int64_t seed = 0;
  LessonWeights weights;
  TrainSettings training;

  void declare(SettingList& list);
};

struct MendIteratedTrainSettings : MendTrainSettings {
  // Number of gradients for one edit, each of the model as changed by the earlier ones.
  int64_t rounds = 2;

  void declare(SettingList& list);
};

class MendTraining : public Trainee {
 public:
  MendTraining(const Vlm& vlm, const nlohmann::json& settings, ActivationStore* store);
  std::string editor() const override { return "mend"; }
  std::vector<std::string> begins_as() const override { return {"mend", "mend-iterated"}; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  const TrainSettings& training() const override { return settings_.training; }
  std::vector<Trained> trained() const override;
  std::map<std::string, at::Tensor> tensors() const override { return now_->network.tensors(); }
  void load(const std::map<std::string, at::Tensor>& tensors, const std::string& file) override {
    now_->network.load(now_->network.grown(tensors), file);
  }
  LessonLosses learn(const std::vector<Lesson>& lessons) override;
  std::unique_ptr<Editor> as_editor() const override { return std::make_unique<MendEditor>(now_); }

 protected:
  MendTraining(const Vlm& vlm, const MendTrainSettings& settings, int64_t rounds,
               ActivationStore* store);
  const std::shared_ptr<MendTrained>& now() const { return now_; }

 private:
  const Vlm& vlm_;
  ActivationStore* store_;
  MendTrainSettings settings_;
  std::shared_ptr<MendTrained> now_;
  size_t first_;
  bool reaches_text_;
};

class MendIteratedTraining : public MendTraining {
 public:
  MendIteratedTraining(const Vlm& vlm, const nlohmann::json& settings, ActivationStore* store);
  std::string editor() const override { return "mend-iterated"; }
  nlohmann::json settings() const override { return settings_json(settings_); }
  std::unique_ptr<Editor> as_editor() const override {
    return std::make_unique<MendIteratedEditor>(now());
  }

 private:
  MendIteratedTraining(const Vlm& vlm, const MendIteratedTrainSettings& settings,
                       ActivationStore* store)
      : MendTraining(vlm, settings, settings.rounds, store), settings_(settings) {}

  MendIteratedTrainSettings settings_;
};

}  // namespace emend
