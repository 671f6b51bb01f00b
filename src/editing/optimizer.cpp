#include "editing/optimizer.h"

#include <cmath>

namespace emend {

AdamW::AdamW(std::vector<at::Tensor> parameters, const Options& options)
    : parameters_(std::move(parameters)), options_(options) {
  for (const auto& parameter : parameters_) {
    means_.push_back(at::zeros_like(parameter).detach());
    squares_.push_back(at::zeros_like(parameter).detach());
  }
}

void AdamW::step(const std::vector<at::Tensor>& gradients) {
  at::NoGradGuard no_grad;
  ++steps_;
  const auto& o = options_;
  double correction1 = 1 - std::pow(o.beta1, static_cast<double>(steps_));
  double correction2 = 1 - std::pow(o.beta2, static_cast<double>(steps_));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const auto& gradient = gradients.at(i);
    if (!gradient.defined()) continue;
    if (o.weight_decay != 0) parameters_[i].mul_(1 - o.lr * o.weight_decay);
    means_[i].mul_(o.beta1).add_(gradient, 1 - o.beta1);
    squares_[i].mul_(o.beta2).addcmul_(gradient, gradient, 1 - o.beta2);
    auto scale = squares_[i].sqrt().div_(std::sqrt(correction2)).add_(o.eps);
    parameters_[i].addcdiv_(means_[i], scale, -o.lr / correction1);
  }
}

}  // namespace emend
