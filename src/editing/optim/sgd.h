#pragma once

#include "editing/optim/optimizer.h"

namespace emend {

// Plain gradient descent: p <- p - lr * (g + decay * p).
class Sgd : public Optimizer {
 public:
  Sgd(std::vector<at::Tensor> leaves, const OptimizerOptions& options)
      : leaves_(std::move(leaves)), options_(options) {}

  void step(const std::vector<at::Tensor>& gradients) override {
    at::NoGradGuard no_grad;
    for (size_t i = 0; i < leaves_.size(); ++i) {
      if (!gradients.at(i).defined()) continue;
      if (options_.weight_decay != 0) leaves_[i].mul_(1 - options_.lr * options_.weight_decay);
      leaves_[i].add_(gradients[i], -options_.lr);
    }
  }

 private:
  std::vector<at::Tensor> leaves_;
  OptimizerOptions options_;
};

}  // namespace emend
