#pragma once

#include <string>

#include "editing/training/named_tensors.h"

namespace emend {

// A trainable linear layer: weight (out, in) and bias (out), both uniform in +-1/sqrt(in) at first.
struct TrainedLinear {
  at::Tensor weight, bias;

  static TrainedLinear draw(int64_t in, int64_t out, at::Generator generator, at::Device device);
  at::Tensor operator()(const at::Tensor& x) const { return at::linear(x, weight, bias); }
  // Adds NAME.weight and NAME.bias.
  void add_to(NamedTensors& all, const std::string& name) const;
};

// A trainable LayerNorm over the last dimension.
struct TrainedNorm {
  at::Tensor weight, bias;

  static TrainedNorm of(int64_t width, at::Device device);
  at::Tensor operator()(const at::Tensor& x) const {
    return at::layer_norm(x, {weight.size(0)}, weight, bias);
  }
  void add_to(NamedTensors& all, const std::string& name) const;
};

// Multi-head cross-attention without an output layer. Scores are divided by the square root of the
// width of a head.
class CrossAttention {
 public:
  struct Widths {
    int64_t queries, states;  // of the inputs
    int64_t keys, values;     // of all heads together, multiples of their number
    int64_t heads;
  };
  CrossAttention(const Widths& widths, at::Generator generator, at::Device device);

  // queries: (B or 1, n, widths.queries); states: (B, T, widths.states); positions: (B, T) bool,
  // the states that are attended to, at least one in each row. Returns (B, n, widths.values).
  at::Tensor operator()(const at::Tensor& queries, const at::Tensor& states,
                        const at::Tensor& positions) const;
  void add_to(NamedTensors& all, const std::string& name) const;

 private:
  int64_t heads_;
  TrainedLinear query_, key_, value_;
};

}  // namespace emend
