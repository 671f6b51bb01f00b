#pragma once

#include "editing/optim/optimizer.h"

namespace emend {

// Where weight decay acts: on the weights (AdamW, Loshchilov and Hutter, arXiv 1711.05101), or on
// the gradient (Adam with an L2 penalty).
enum class Decay { decoupled, in_gradient };

// One step of Adam (Kingma and Ba, arXiv 1412.6980, algorithm 1); the first has number 1.
struct AdamStep {
  int64_t number;
  double lr;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
};
// m, v: moving means of g and g^2, with bias correction: p <- p - lr * m^ / (sqrt(v^) + eps).
// Updates p, m and v in place by the gradient g; all have one shape.
void adam_update(at::Tensor p, at::Tensor m, at::Tensor v, const at::Tensor& g,
                 const AdamStep& step);

// Adam and AdamW for the leaves of an edit.
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
