#pragma once

#include "editing/optim/optimizer.h"

namespace emend {

// Where weight decay acts: on the weights (AdamW, Loshchilov and Hutter, arXiv 1711.05101), or on
// the gradient (Adam with an L2 penalty).
enum class Decay { decoupled, in_gradient };

// Adam (Kingma and Ba, arXiv 1412.6980), betas 0.9 and 0.999, eps 1e-8, with bias correction:
// m, v: moving means of g and g^2;  p <- p - lr * m^ / (sqrt(v^) + eps).
class Adam : public Optimizer {
 public:
  Adam(const std::vector<at::Tensor>& leaves, const OptimizerOptions& options, Decay decay);
  void step(const std::vector<at::Tensor>& gradients) override;

 private:
  // Flattened; leaves_ share storage with the leaves.
  std::vector<at::Tensor> leaves_, means_, squares_;
  OptimizerOptions options_;
  Decay decay_;
  int64_t steps_ = 0;
};

}  // namespace emend
