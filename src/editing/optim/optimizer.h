#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

namespace emend {

// Options of all optimizers.
struct OptimizerOptions {
  double lr = 1e-3;
  double weight_decay = 0;
};

// Updates float32 leaves in place by their gradients. The state belongs to these leaves.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // `gradients` has one item for each leaf, in the same order. An undefined gradient leaves its
  // leaf unchanged.
  virtual void step(const std::vector<at::Tensor>& gradients) = 0;
};

// Makes an optimizer: adamw, adam or sgd. Throws emend::Error for any other name.
std::unique_ptr<Optimizer> make_optimizer(const std::string& name,
                                          const std::vector<at::Tensor>& leaves,
                                          const OptimizerOptions& options);
std::vector<std::string> optimizer_names();

// Scales all gradients by one factor, so that their joint L2 norm is at most `most`. Returns the
// norm before scaling.
double clip_gradients(const std::vector<at::Tensor>& gradients, double most);

}  // namespace emend
