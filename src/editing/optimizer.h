#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace emend {

// AdamW (Loshchilov and Hutter, arXiv 1711.05101) on float32 leaves, with Kingma's bias correction:
// p <- (1 - lr * decay) p;  m, v: moving means of g and g^2;  p <- p - lr * m^ / (sqrt(v^) + eps).
class AdamW {
 public:
  struct Options {
    double lr = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double eps = 1e-8;
    double weight_decay = 0;
  };

  AdamW(std::vector<at::Tensor> parameters, const Options& options);
  // One gradient a parameter, in order; an undefined one leaves its parameter as it is.
  void step(const std::vector<at::Tensor>& gradients);
  int64_t steps() const { return steps_; }

 private:
  std::vector<at::Tensor> parameters_, means_, squares_;
  Options options_;
  int64_t steps_ = 0;
};

}  // namespace emend
