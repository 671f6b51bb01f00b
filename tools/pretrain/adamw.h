#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace emend::pretrain {

// All trained tensors laid end to end in one buffer, so that a step of AdamW is a few large
// operations. [Loshchilov & Hutter 2019, algorithm 2, decoupled weight decay on matrices only]
class AdamW {
 public:
  // The tensors' storage is moved into the buffer; their handles stay valid and require grad.
  explicit AdamW(const std::map<std::string, at::Tensor>& parameters);

  const std::vector<at::Tensor>& parameters() const { return parameters_; }
  // grads: one per parameter, in order, undefined where a parameter took no part. Returns the
  // gradient norm before clipping; skips the step and returns NaN when it is not finite.
  double step(const std::vector<at::Tensor>& grads, double lr, double weight_decay, double clip);

  // Values, moments and the number of steps, for checkpoints.
  std::vector<std::pair<std::string, at::Tensor>> state() const;
  // Throws emend::Error when the checkpoint holds other parameters.
  void restore(const std::map<std::string, at::Tensor>& state);

 private:
  std::vector<std::string> names_;
  std::vector<at::Tensor> parameters_;
  at::Tensor values_, first_, second_, decays_;
  int64_t steps_ = 0;
};

}  // namespace emend::pretrain
