#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "editing/training/checkpoint.h"
#include "editing/training/edit_example.h"

namespace emend {

// How an editor's networks are trained; Adam. The defaults are the field's.
struct TrainSettings {
  int64_t steps = 30000;
  int64_t batch = 1;       // lessons a step, each with its own edit
  int64_t accumulate = 2;  // steps whose gradients make one update
  double lr = 1e-6;
  double rates_lr = 1e-4;   // of the learned rates
  double clip = 100;        // norm that gradients are cut to
  double decay = 0;         // share of the steps, the last ones, over which lr falls to 0
  int64_t patience = 0;     // validations without a better one, then it stops; 0: never
  int64_t validate = 1000;  // steps from one validation to the next
  int64_t validation = 50;  // records of the suite that are set apart for it
  bool own = false;         // the edit's own question is among what has to follow

  void declare(SettingList& list);
};

// A tensor that is trained; is_rate: with rates_lr instead of lr.
struct Trained {
  std::string name;
  at::Tensor tensor;
  bool is_rate = false;
};

// An editor's networks while they are trained, on one model.
class Trainee {
 public:
  virtual ~Trainee() = default;
  virtual std::string editor() const = 0;
  // Editors whose checkpoints its networks can begin from.
  virtual std::vector<std::string> begins_as() const { return {editor()}; }
  virtual nlohmann::json settings() const = 0;
  virtual const TrainSettings& training() const = 0;
  virtual std::vector<Trained> trained() const = 0;
  // All that an editor needs, and all that training goes on from.
  virtual std::map<std::string, at::Tensor> tensors() const = 0;
  virtual void load(const std::map<std::string, at::Tensor>& tensors, const std::string& file) = 0;
  virtual LessonLosses learn(const std::vector<Lesson>& lessons) = 0;
  // Told after each validation which share of the edits held.
  virtual void validated(double) {}
  // As it is now, to be measured; valid while the trainee lives.
  virtual std::unique_ptr<Editor> as_editor() const = 0;
};

// `settings`: the editor's and TrainSettings'. Throws emend::Error for an editor that needs no
// training, and for unknown settings.
std::unique_ptr<Trainee> make_trainee(const std::string& editor, const Vlm& vlm,
                                      const nlohmann::json& settings, ActivationStore* store);

// Takes steps: gradients, their accumulation, clipping and Adam.
class Trainer {
 public:
  explicit Trainer(Trainee& trainee);

  // A step with gradients that are not finite changes nothing and is counted; the tenth in a row
  // throws emend::Error.
  LessonLosses step(const std::vector<Lesson>& lessons);
  int64_t steps() const { return steps_; }
  int64_t skipped() const { return skipped_; }

  // Networks and optimiser; a trainer that loads them goes on as the one that saved them would
  // have.
  std::map<std::string, at::Tensor> state() const;
  void load(const std::map<std::string, at::Tensor>& state, const std::string& file);

 private:
  void update();

  Trainee& trainee_;
  std::vector<Trained> trained_;
  std::vector<at::Tensor> gathered_, means_, squares_;  // gradient sums; Adam's moving means
  int64_t steps_ = 0, updates_ = 0, skipped_ = 0, skipped_in_a_row_ = 0, pending_ = 0;
};

}  // namespace emend
