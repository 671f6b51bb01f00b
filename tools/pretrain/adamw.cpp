#include "adamw.h"

#include <fmt/format.h>

#include <cmath>

#include "editing/optim/adam.h"
#include "io/error.h"

namespace emend::pretrain {

AdamW::AdamW(const std::map<std::string, at::Tensor>& parameters) {
  int64_t total = 0;
  for (auto& [name, tensor] : parameters) total += tensor.numel();
  values_ = at::empty({total});
  first_ = at::zeros({total});
  second_ = at::zeros({total});
  decays_ = at::zeros({total});
  int64_t offset = 0;
  for (auto& [name, tensor] : parameters) {
    auto slice = values_.narrow(0, offset, tensor.numel());
    slice.copy_(tensor.detach().reshape({-1}));
    if (tensor.dim() > 1) decays_.narrow(0, offset, tensor.numel()).fill_(1);
    at::Tensor handle = tensor;
    handle.set_data(slice.view(tensor.sizes()));
    handle.requires_grad_(true);
    names_.push_back(name);
    parameters_.push_back(handle);
    offset += tensor.numel();
  }
}

double AdamW::step(const std::vector<at::Tensor>& grads, double lr, double weight_decay,
                   double clip) {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> flat;
  for (size_t i = 0; i < grads.size(); ++i)
    flat.push_back(grads[i].defined() ? grads[i].reshape({-1})
                                      : at::zeros({parameters_[i].numel()}));
  auto g = at::cat(flat);
  double norm = g.norm().item<double>();
  if (!std::isfinite(norm)) return norm;
  if (norm > clip) g.mul_(clip / norm);
  ++steps_;
  values_.addcmul_(values_, decays_, -lr * weight_decay);
  adam_update(values_, first_, second_, g, {steps_, lr, 0.9, 0.98});
  return norm;
}

std::vector<std::pair<std::string, at::Tensor>> AdamW::state() const {
  std::vector<std::pair<std::string, at::Tensor>> state;
  int64_t offset = 0;
  for (size_t i = 0; i < names_.size(); ++i) {
    auto n = parameters_[i].numel();
    auto shape = parameters_[i].sizes();
    state.emplace_back("value." + names_[i], values_.narrow(0, offset, n).view(shape));
    state.emplace_back("first." + names_[i], first_.narrow(0, offset, n).view(shape));
    state.emplace_back("second." + names_[i], second_.narrow(0, offset, n).view(shape));
    offset += n;
  }
  state.emplace_back("steps", at::full({1}, steps_, at::kLong));
  return state;
}

void AdamW::restore(const std::map<std::string, at::Tensor>& saved) {
  at::NoGradGuard no_grad;
  auto mine = state();
  if (saved.size() != mine.size())
    throw Error(
        "pretrain::checkpoint",
        fmt::format("the checkpoint has {} tensors, but {} are needed", saved.size(), mine.size()),
        "the model's shape has changed; start again with another checkpoint file");
  for (auto& [name, tensor] : mine) {
    auto it = saved.find(name);
    if (it == saved.end() || it->second.sizes() != tensor.sizes())
      throw Error("pretrain::checkpoint",
                  fmt::format("tensor '{}' is missing or has another shape", name),
                  "the model's shape has changed; start again with another checkpoint file");
    if (name == "steps")
      steps_ = it->second.item<int64_t>();
    else
      tensor.copy_(it->second);
  }
}

}  // namespace emend::pretrain
