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
// Copies `from` into `to`. Throws emend::Error, which names the editor's room and `file`, if a
// tensor is missing, unexpected or has the wrong shape.
void copy_tensors(const std::map<std::string, at::Tensor>& from, const NamedTensors& to,
                  const std::string& editor, const std::string& file);

}  // namespace emend
