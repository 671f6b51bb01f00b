#pragma once

#include <ATen/ATen.h>

#include <string>

namespace emend {

// Random weights, to measure the cost of a model: normal, scaled so that activations keep their
// size; weights of norms are 1, biases are 0.
class RandomWeights {
 public:
  RandomWeights(at::ScalarType dtype, uint64_t seed);
  // Returns a new tensor, which is the same for the same seed and shape.
  at::Tensor operator()(const std::string& name, at::IntArrayRef shape) const;

 private:
  at::Tensor noise_;
};

}  // namespace emend
