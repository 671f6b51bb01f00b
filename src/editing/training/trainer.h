#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "editing/training/checkpoint.h"
#include "editing/training/edit_example.h"
#include "editing/training/named_tensors.h"
#include "io/processes/process_group.h"

namespace emend {

// Settings of the training with Adam. The defaults are those of the papers.
struct TrainSettings {
  int64_t steps = 30000;
  int64_t batch = 1;       // number of examples in a step, each with its own edit
  int64_t accumulate = 2;  // number of steps whose gradients make one update
  double lr = 1e-6;
  double rates_lr = 1e-4;  // learning rate of the learned step sizes
  double clip = 100;       // maximum norm of the gradients
  double decay = 0;        // share of the steps, at the end, in which lr decreases to 0
  // Decay of the moving average of the networks, which validation and the checkpoint use; 0: none.
  double average = 0;
  int64_t patience = 0;     // validations without improvement before training stops; 0: never
  int64_t validate = 1000;  // number of steps between validations
  int64_t validation = 50;  // number of records of the suite for validation
  // Include the edit's own question in the generality questions.
  bool include_edit_prompt = false;

  void declare(SettingList& list);
};

// A trainable tensor. is_rate: its learning rate is rates_lr instead of lr.
struct TrainableParameter {
  std::string name;
  at::Tensor tensor;
  bool is_rate = false;
};
// The tensors as parameters with the learning rate lr.
std::vector<TrainableParameter> trainable_parameters(const NamedTensors& tensors);

// The networks of an editor during their training on one model.
class TrainableEditor {
 public:
  virtual ~TrainableEditor() = default;
  virtual std::string editor() const = 0;
  // Editors whose checkpoints can initialize the networks.
  virtual std::vector<std::string> initial_editors() const { return {editor()}; }
  virtual nlohmann::json settings() const = 0;
  virtual const TrainSettings& training() const = 0;
  virtual std::vector<TrainableParameter> parameters() const = 0;
  // All tensors of the editor and of its training state.
  virtual std::map<std::string, at::Tensor> tensors() const = 0;
  // The tensors for a file of `dtype`. What the networks compute, such as keys of calibration
  // questions, is computed by the networks as the file stores them.
  virtual std::map<std::string, at::Tensor> tensors_in(at::ScalarType /*dtype*/) const {
    return tensors();
  }
  virtual void load(const std::map<std::string, at::Tensor>& tensors, const std::string& file) = 0;
  // Whether the losses of a step are means over its examples, which several processes can compute.
  virtual bool has_independent_examples() const { return pooled_records() == 0; }
  // Called once with the processes that share the examples of each step.
  void share(ProcessGroup* group) { group_ = group; }
  // The losses of a step. step: its number, which seeds random choices. The examples are empty if
  // there are pooled records.
  virtual EditLosses losses(const std::vector<EditExample>& examples, int64_t step) = 0;
  // The number of records, after those of validation, that are kept out of training for
  // add_calibration, which gets them in groups before training begins.
  virtual int64_t calibration_records() const { return 0; }
  virtual void add_calibration(const std::vector<EditExample>&) {}
  // The number of records, after those of calibration, that `pool` gets in groups before training
  // begins. If there are any, a step draws its examples from them.
  virtual int64_t pooled_records() const { return 0; }
  virtual void pool(const std::vector<EditExample>&) {}
  // Called after each validation with the share of edits that held.
  virtual void on_validation(double) {}
  // The editor in its current state, for validation. It is valid as long as the trainable.
  virtual std::unique_ptr<Editor> as_editor() const = 0;

 protected:
  ProcessGroup* group_ = nullptr;  // null: this process alone
};

// Makes networks of one type, for EditorInfo::make_trainable.
template <typename Networks>
std::unique_ptr<TrainableEditor> make_networks(const Vlm& vlm, const nlohmann::json& settings,
                                               ActivationStore* store) {
  return std::make_unique<Networks>(vlm, settings, store);
}

// `settings` has the settings of the editor and of TrainSettings. Throws emend::Error if the editor
// cannot be trained, or a setting is unknown.
std::unique_ptr<TrainableEditor> make_trainable_editor(const std::string& editor, const Vlm& vlm,
                                                       const nlohmann::json& settings,
                                                       ActivationStore* store);

// Takes training steps: gradients, their accumulation, clipping, and Adam.
class Trainer {
 public:
  // With a group of processes, each takes an equal share of the examples of a step, and the
  // gradients and losses are their means over the processes.
  explicit Trainer(TrainableEditor& trainable, ProcessGroup* group = nullptr);

  // A step with gradients that are not finite changes nothing and is counted. The tenth successive
  // one throws emend::Error.
  // The examples are not used if the networks draw them from a pool.
  EditLosses step(const std::vector<EditExample>& examples);
  int64_t steps() const { return steps_; }
  int64_t skipped() const { return skipped_; }

  // While the object exists, the networks have their moving averages (TrainSettings::average), if
  // there are any.
  class AveragedNetworks {
   public:
    explicit AveragedNetworks(Trainer& trainer) : trainer_(trainer) { trainer_.swap_averages(); }
    AveragedNetworks(const AveragedNetworks&) = delete;
    AveragedNetworks& operator=(const AveragedNetworks&) = delete;
    ~AveragedNetworks() { trainer_.swap_averages(); }

   private:
    Trainer& trainer_;
  };

  // The networks and the optimizer state. A trainer that loads them continues exactly as the one
  // that saved them.
  std::map<std::string, at::Tensor> state() const;
  void load(const std::map<std::string, at::Tensor>& state, const std::string& file);

 private:
  void update();
  void swap_averages();
  void average(std::vector<at::Tensor>& gradients, EditLosses& losses) const;

  TrainableEditor& trainable_;
  ProcessGroup* group_;
  std::vector<TrainableParameter> parameters_;
  // Sums of gradients, and Adam's moving means.
  std::vector<at::Tensor> gathered_, means_, squares_;
  std::vector<at::Tensor> averages_;  // of the networks; empty without an average
  int64_t steps_ = 0, updates_ = 0, skipped_ = 0, skipped_in_a_row_ = 0, pending_ = 0;
};

}  // namespace emend
