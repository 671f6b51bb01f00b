#include "editing/optim/optimizer.h"

#include <fmt/format.h>

#include <cmath>

#include "editing/optim/adam.h"
#include "editing/optim/sgd.h"
#include "io/error.h"

namespace emend {

std::vector<std::string> optimizer_names() { return {"adamw", "adam", "sgd"}; }

std::unique_ptr<Optimizer> make_optimizer(const std::string& name,
                                          const std::vector<at::Tensor>& leaves,
                                          const OptimizerOptions& options) {
  if (name == "adamw") return std::make_unique<Adam>(leaves, options, Decay::decoupled);
  if (name == "adam") return std::make_unique<Adam>(leaves, options, Decay::in_gradient);
  if (name == "sgd") return std::make_unique<Sgd>(leaves, options);
  throw Error("editing::optimizer", fmt::format("unknown optimizer '{}'", name),
              fmt::format("available optimizers: {}", fmt::join(optimizer_names(), ", ")));
}

double clip_gradients(const std::vector<at::Tensor>& gradients, double most) {
  at::NoGradGuard no_grad;
  double squares = 0;
  for (const auto& gradient : gradients)
    if (gradient.defined()) squares += std::pow(gradient.norm().item<double>(), 2);
  const double norm = std::sqrt(squares);
  if (norm > most)
    for (auto gradient : gradients)
      if (gradient.defined()) gradient.mul_(most / norm);
  return norm;
}

}  // namespace emend
