#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "nn/attachment.h"

namespace emend {

// Trainable tensors in a fixed order, by name.
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// Detached, as a checkpoint stores them.
std::map<std::string, at::Tensor> detached_tensors(const NamedTensors& tensors);
// While the object exists, the tensors have the values that a file of `dtype` stores.
class RoundedTensors {
 public:
  RoundedTensors(const NamedTensors& tensors, at::ScalarType dtype);
  RoundedTensors(const RoundedTensors&) = delete;
  RoundedTensors& operator=(const RoundedTensors&) = delete;
  ~RoundedTensors();

 private:
  NamedTensors tensors_;
  std::vector<at::Tensor> values_;
};
// Copies `from` into `to`. Throws emend::Error, which names the editor's room and `file`, if a
// tensor is missing, unexpected or has the wrong shape.
void copy_tensors(const std::map<std::string, at::Tensor>& from, const NamedTensors& to,
                  const std::string& editor, const std::string& file);

}  // namespace emend
