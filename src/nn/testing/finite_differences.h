#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

namespace emend {

// The largest difference between the gradient of a weighted sum of f(x) by automatic and by central
// finite differences, relative to the largest entry of the gradient. f is smooth near x, float32.
template <class Function>
double gradient_error(const Function& f, const at::Tensor& x, double step = 1e-2) {
  const auto weights = at::randn(f(x).sizes(), at::kDouble);
  const auto loss = [&](const at::Tensor& at) { return (f(at).to(at::kDouble) * weights).sum(); };
  const auto leaf = x.detach().clone().requires_grad_(true);
  const auto gradient = torch::autograd::grad({loss(leaf)}, {leaf})[0].to(at::kDouble);
  auto numeric = at::empty({x.numel()}, at::kDouble);
  for (int64_t i = 0; i < x.numel(); ++i) {
    auto above = x.detach().clone(), below = x.detach().clone();
    above.view({-1})[i] += step;
    below.view({-1})[i] -= step;
    // float32 rounds both entries, so their distance is not exactly 2 * step.
    const auto width = above.view({-1})[i].to(at::kDouble) - below.view({-1})[i].to(at::kDouble);
    numeric[i] = (loss(above) - loss(below)) / width;
  }
  const at::Tensor error = (gradient.reshape({-1}) - numeric).abs().max() / numeric.abs().max();
  return error.item<double>();
}

// The tolerance for gradient_error: the rounding of float32 and the third derivative of f.
constexpr double kGradientTolerance = 1e-3;

}  // namespace emend
