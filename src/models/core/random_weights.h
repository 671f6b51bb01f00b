#pragma once

#include <ATen/ATen.h>

#include <string>

namespace emend {

// Weights of a model that was never trained, to measure what a true one costs: normal, scaled so
// that activations keep their size; norms scale by 1, biases are 0.
class RandomWeights {
 public:
  RandomWeights(at::ScalarType dtype, uint64_t seed);
  // A tensor of its own; the same for the same seed and shape.
  at::Tensor operator()(const std::string& name, at::IntArrayRef shape) const;

 private:
  at::Tensor noise_;
};

}  // namespace emend
