#pragma once

#include <string>

#include "io/tensors/safetensors.h"

namespace emend {

// Reads the tensors of a folder one after another: the pages of a tensor are released when the next
// one is read, so that memory does not grow with the model.
class CheckpointStream {
 public:
  explicit CheckpointStream(const std::string& folder) : checkpoint_(Checkpoint::open(folder)) {}

  const Checkpoint& checkpoint() const { return checkpoint_; }
  at::Tensor read(const std::string& name) {
    if (!last_.empty()) checkpoint_.release_pages(last_);
    last_ = name;
    return checkpoint_.tensor(name);
  }

 private:
  Checkpoint checkpoint_;
  std::string last_;
};

}  // namespace emend
