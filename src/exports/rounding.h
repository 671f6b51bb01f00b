#pragma once

#include <ATen/ATen.h>

#include <string>

namespace emend {

// The Frobenius norm of what rounding to the written type adds to a changed weight, relative to the
// norm of the change; the largest of all weights. 1: the change is lost.
struct Rounding {
  double largest = 0;
  std::string weight;  // the weight with that value

  // error: the rounded minus the exact weight.
  void add(const std::string& name, const at::Tensor& error, const at::Tensor& change) {
    const auto size = change.norm().item<double>();
    const auto relative = size > 0 ? error.norm().item<double>() / size : 0;
    if (relative < largest) return;
    largest = relative;
    weight = name;
  }
};

}  // namespace emend
