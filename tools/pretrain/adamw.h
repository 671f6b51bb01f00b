#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace emend::pretrain {

// AdamW with all trained tensors in one buffer, so that a step is a few large operations.
// [Loshchilov & Hutter 2019, algorithm 2; decoupled weight decay of matrices only]
class AdamW {
 public:
  // Moves the storage of the tensors into the buffer; their handles stay valid and require
  // gradients.
  explicit AdamW(const std::map<std::string, at::Tensor>& parameters);

  const std::vector<at::Tensor>& parameters() const { return parameters_; }
  // grads: one per parameter, in order, undefined for unused parameters. Returns the gradient norm
  // before clipping. If it is not finite, the step is skipped and NaN is returned.
  double step(const std::vector<at::Tensor>& grads, double lr, double weight_decay, double clip);

  // Values, moments and the number of steps, for checkpoints.
  std::vector<std::pair<std::string, at::Tensor>> state() const;
  // Throws emend::Error if the checkpoint has other parameters.
  void restore(const std::map<std::string, at::Tensor>& state);

 private:
  std::vector<std::string> names_;
  std::vector<at::Tensor> parameters_;
  at::Tensor values_, first_, second_, decays_;
  int64_t steps_ = 0;
};

}  // namespace emend::pretrain
