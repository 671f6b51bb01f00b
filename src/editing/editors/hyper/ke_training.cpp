#include "editing/editors/hyper/ke_training.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"

namespace emend {

KeTrainingSettings::KeTrainingSettings() {
  weights.edit = 1;
  training.steps = 200000;
  training.accumulate = 1;
  training.lr = 3e-4;
  training.rates_lr = 0.1;
  training.decay = 1;
}

void KeTrainingSettings::declare(SettingList& list) {
  shape.declare(list);
  list.number("init", init, 0, 100, "initial standard deviation of the networks of the layers");
  list.number("margin", margin, 0, 1e3,
              "initial margin for KL(before || after) of the locality questions");
  list.number("margin_least", margin_least, 0, 1e3, "lower limit of the margin");
  list.number("margin_factor", margin_factor, 0, 1, "factor of the margin after a good validation");
  list.number("margin_held", margin_held, 0, 1,
              "share of edits that must hold in a good validation");
  list.whole("seed", seed, 0, int64_t{1} << 60, "random seed");
  weights.declare(list);
  training.declare(list);
}

TrainableKe::TrainableKe(const Vlm& vlm, const nlohmann::json& settings, ActivationStore* store)
    : TrainableHyperEditor(vlm, store),
      settings_(read_settings<KeTrainingSettings>("ke", settings)) {
  const auto& model = *vlm.model;
  state_ = std::make_shared<KeState>(
      KeState{settings_.shape.network(model, settings_.init, settings_.seed),
              settings_.weights.end_of_answer});
  const auto on = at::dtype(at::kFloat).device(model.device());
  alpha_ = at::full({}, settings_.weights.locality, on).requires_grad_();
  margin_ = at::full({}, settings_.margin, on);
}

std::vector<TrainableParameter> TrainableKe::parameters() const {
  auto all = trainable_parameters(state_->network.parameters());
  all.push_back({"alpha", alpha_, true});
  return all;
}

std::map<std::string, at::Tensor> TrainableKe::tensors() const {
  std::map<std::string, at::Tensor> all;
  for (const auto& one : parameters()) all[one.name] = one.tensor;
  all["margin"] = margin_;
  return all;
}

void TrainableKe::load(const std::map<std::string, at::Tensor>& tensors, const std::string& file) {
  at::NoGradGuard no_grad;
  auto networks = tensors;
  for (auto [name, tensor] : {std::pair{"alpha", alpha_}, std::pair{"margin", margin_}}) {
    auto found = networks.find(name);
    if (found == networks.end() || found->second.dim() != 0)
      throw Error("editing::ke", fmt::format("'{}' is missing the number '{}'", file, name),
                  "train the editor again with `emend train`, or fetch an intact copy");
    tensor.copy_(found->second);
    networks.erase(found);
  }
  state_->network.load(networks, file);
}

EditLosses TrainableKe::losses(const std::vector<EditExample>& examples, int64_t /*step*/) {
  const auto& model = *vlm_.model;
  {
    at::NoGradGuard no_grad;
    alpha_.clamp_(0);  // project alpha to the allowed range after a step
  }
  auto batch = prepare(examples, state_->network.sites(), settings_.weights.end_of_answer);
  std::vector<EditRequest> edits;
  for (const auto& example : examples) edits.push_back(example.edit);
  auto made =
      state_->make(vlm_, batch.edit_pass, batch.edits, edit_texts(vlm_, edits, {}, store_), {});
  auto weights = settings_.weights;
  weights.locality = alpha_.item<double>();
  auto losses = edit_losses(model, batch, made.deltas, weights, group_);
  // The networks treat alpha as a constant. The gradient of alpha is the excess with its sign
  // reversed.
  const double margin = margin_.item<double>();
  const double excess = losses.image_locality + losses.text_locality - margin;
  losses.total = losses.total - weights.locality * margin - (alpha_ - alpha_.detach()) * excess;
  return losses;
}

void TrainableKe::on_validation(double held) {
  at::NoGradGuard no_grad;
  if (held <= settings_.margin_held) return;
  margin_.fill_(std::max(margin_.item<double>() * settings_.margin_factor,
                         std::min(settings_.margin_least, settings_.margin)));
}

}  // namespace emend
