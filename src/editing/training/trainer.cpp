#include "editing/training/trainer.h"

#include <fmt/format.h>

#include <cmath>

#include "editing/optim/adam.h"
#include "editing/registry.h"
#include "io/error.h"
#include "io/log.h"

namespace emend {
namespace {

constexpr int64_t kSkipsInARow = 10;

// Smaller at first, so that the initial networks are soon forgotten.
double average_decay(const TrainSettings& settings, int64_t updates) {
  const auto n = static_cast<double>(updates);
  return std::min(settings.average, (1 + n) / (10 + n));
}

// Decreases linearly to 0 during the last `decay` of the steps.
double rate_factor(const TrainSettings& settings, int64_t step) {
  const double left = static_cast<double>(settings.steps - step);
  const double falling = settings.decay * static_cast<double>(settings.steps);
  return falling > 0 ? std::max(0.0, std::min(1.0, left / falling)) : 1.0;
}

}  // namespace

void TrainSettings::declare(SettingList& list) {
  list.whole("steps", steps, 1, 100000000, "maximum number of steps");
  list.whole("batch", batch, 1, 4096, "number of records in a step, each with its own edit");
  list.whole("accumulate", accumulate, 1, 4096,
             "number of steps whose gradients are accumulated for one update");
  list.number("lr", lr, 0, 1, "learning rate of Adam");
  list.number("rates_lr", rates_lr, 0, 1, "learning rate of the learned step sizes");
  list.number("clip", clip, 1e-6, 1e9, "maximum norm of the gradients");
  list.number("decay", decay, 0, 1,
              "share of the steps, at the end, in which the learning rate decreases to 0");
  list.number("average", average, 0, 0.999999,
              "decay of the moving average of the networks, which validation and the checkpoint "
              "use; 0: none");
  list.whole("patience", patience, 0, 1000000,
             "number of validations without improvement before training stops; 0: never");
  list.whole("validate", validate, 1, 100000000, "number of steps between validations");
  list.whole("validation", validation, 1, 100000, "number of validation records");
  list.flag("include_edit_prompt", include_edit_prompt,
            "include the edit's own question in the generality questions");
  list.alias("own", "include_edit_prompt");
}

std::vector<TrainableParameter> trainable_parameters(const NamedTensors& tensors) {
  std::vector<TrainableParameter> all;
  for (const auto& [name, tensor] : tensors) all.push_back({name, tensor});
  return all;
}

std::unique_ptr<TrainableEditor> make_trainable_editor(const std::string& editor, const Vlm& vlm,
                                                       const nlohmann::json& settings,
                                                       ActivationStore* store) {
  const auto info = editor_info(editor);
  if (info.make_trainable) return info.make_trainable(vlm, settings, store);
  throw Error("editing::train", fmt::format("editor '{}' cannot be trained", editor),
              fmt::format("trainable editors: {}; other editors need no training",
                          fmt::join(trainable_editor_names(), ", ")));
}

Trainer::Trainer(TrainableEditor& trainable, ProcessGroup* group)
    : trainable_(trainable), group_(group), parameters_(trainable.parameters()) {
  trainable.share(group);
  for (const auto& one : parameters_) {
    gathered_.push_back(at::zeros_like(one.tensor).detach());
    means_.push_back(at::zeros_like(one.tensor).detach());
    squares_.push_back(at::zeros_like(one.tensor).detach());
    if (trainable.training().average > 0) averages_.push_back(one.tensor.detach().clone());
  }
}

EditLosses Trainer::step(const std::vector<EditExample>& examples) {
  auto losses = trainable_.losses(examples, steps_);
  std::vector<at::Tensor> leaves, gradients;
  for (const auto& one : parameters_) leaves.push_back(one.tensor);
  if (losses.total.requires_grad())
    gradients = torch::autograd::grad({losses.total}, leaves, {}, false, false,
                                      /*allow_unused=*/true);
  at::NoGradGuard no_grad;
  if (group_) average(gradients, losses);
  ++steps_;
  bool finite = std::isfinite(losses.total.item<double>());
  for (const auto& gradient : gradients)
    finite = finite && (!gradient.defined() || at::isfinite(gradient).all().item<bool>());
  if (!finite) {
    ++skipped_;
    logger().warn("step {}: loss or gradients are not finite; the step is skipped", steps_);
    if (++skipped_in_a_row_ == kSkipsInARow)
      throw Error(
          "editing::train",
          fmt::format("{} successive steps, up to step {}, had gradients that are not finite",
                      kSkipsInARow, steps_),
          "lower the learning rate (--set lr=...) and resume from the checkpoint (--resume)");
  } else {
    skipped_in_a_row_ = 0;
    for (size_t i = 0; i < gradients.size(); ++i)
      if (gradients[i].defined()) gathered_[i].add_(gradients[i]);
    ++pending_;
  }
  if (steps_ % trainable_.training().accumulate == 0 && pending_ > 0) update();
  return losses;
}

void Trainer::average(std::vector<at::Tensor>& gradients, EditLosses& losses) const {
  gradients.resize(parameters_.size());
  for (size_t i = 0; i < gradients.size(); ++i)
    if (!gradients[i].defined()) gradients[i] = at::zeros_like(parameters_[i].tensor);
  double* const values[] = {&losses.generality, &losses.image_locality, &losses.text_locality,
                            &losses.ranks};
  const auto scalars = at::empty({5}, at::kDouble);
  for (int64_t i = 0; i < 4; ++i) scalars[i] = *values[i];
  scalars[4] = losses.total.item<double>();
  auto all = gradients;
  all.push_back(scalars);
  group_->sum(all);
  for (auto& tensor : all) tensor.div_(group_->size());
  for (int64_t i = 0; i < 4; ++i) *values[i] = scalars[i].item<double>();
  losses.total = scalars[4];
}

void Trainer::update() {
  const auto& settings = trainable_.training();
  clip_gradients(gathered_, settings.clip);
  ++updates_;
  const double factor = rate_factor(settings, steps_ - 1);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const double lr = factor * (parameters_[i].is_rate ? settings.rates_lr : settings.lr);
    adam_update(parameters_[i].tensor, means_[i], squares_[i], gathered_[i], {updates_, lr});
    gathered_[i].zero_();
    if (!averages_.empty())
      averages_[i].lerp_(parameters_[i].tensor, 1 - average_decay(settings, updates_));
  }
  pending_ = 0;
}

void Trainer::swap_averages() {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < averages_.size(); ++i) {
    const auto current = parameters_[i].tensor.detach().clone();
    parameters_[i].tensor.copy_(averages_[i]);
    averages_[i].copy_(current);
  }
}

std::map<std::string, at::Tensor> Trainer::state() const {
  auto state = trainable_.tensors();
  for (size_t i = 0; i < parameters_.size(); ++i) {
    state["adam.gathered." + parameters_[i].name] = gathered_[i];
    state["adam.mean." + parameters_[i].name] = means_[i];
    state["adam.square." + parameters_[i].name] = squares_[i];
    if (!averages_.empty()) state["adam.average." + parameters_[i].name] = averages_[i];
  }
  // Whole numbers are stored as two halves, which float32 represents exactly.
  state["adam.counts"] = at::empty({5, 2});
  auto* halves = state["adam.counts"].data_ptr<float>();
  for (int64_t count : {steps_, updates_, skipped_, skipped_in_a_row_, pending_}) {
    *halves++ = static_cast<float>(count >> 20);
    *halves++ = static_cast<float>(count & 0xfffff);
  }
  return state;
}

void Trainer::load(const std::map<std::string, at::Tensor>& state, const std::string& file) {
  at::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> networks;
  for (const auto& [name, tensor] : state)
    if (!name.starts_with("adam.")) networks[name] = tensor;
  auto read = [&](const std::string& name, at::IntArrayRef shape) {
    auto found = state.find("adam." + name);
    if (found == state.end() || found->second.sizes() != shape)
      throw Error("editing::train",
                  fmt::format("'{}' has no '{}' of this training", file, "adam." + name),
                  "resume with the settings that the training started with");
    return found->second;
  };
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const auto shape = parameters_[i].tensor.sizes();
    gathered_[i].copy_(read("gathered." + parameters_[i].name, shape));
    means_[i].copy_(read("mean." + parameters_[i].name, shape));
    squares_[i].copy_(read("square." + parameters_[i].name, shape));
    if (!averages_.empty()) averages_[i].copy_(read("average." + parameters_[i].name, shape));
  }
  auto counts = read("counts", {5, 2}).contiguous();
  const auto* halves = counts.data_ptr<float>();
  for (int64_t* count : {&steps_, &updates_, &skipped_, &skipped_in_a_row_, &pending_}) {
    *count = static_cast<int64_t>(halves[0]) << 20 | static_cast<int64_t>(halves[1]);
    halves += 2;
  }
  trainable_.load(networks, file);
}

}  // namespace emend
