#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

namespace emend {

struct OptimizerOptions {
  double lr = 1e-3;
  double weight_decay = 0;
};

// Moves float32 leaves against their gradients, in place. State is kept for these leaves alone.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // One gradient a leaf, in order; an undefined one leaves its leaf as it is.
  virtual void step(const std::vector<at::Tensor>& gradients) = 0;
};

// adamw, adam, sgd. Throws emend::Error for another name.
std::unique_ptr<Optimizer> make_optimizer(const std::string& name,
                                          const std::vector<at::Tensor>& leaves,
                                          const OptimizerOptions& options);
std::vector<std::string> optimizer_names();

// Scales all gradients by one factor so that their joint L2 norm is at most `most`. Returns the
// norm that they had.
double clip_gradients(const std::vector<at::Tensor>& gradients, double most);

}  // namespace emend
