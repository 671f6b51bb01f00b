#include "editing/training/named_tensors.h"

#include <fmt/format.h>

#include "io/error.h"

namespace emend {

std::map<std::string, at::Tensor> detached_tensors(const NamedTensors& tensors) {
  std::map<std::string, at::Tensor> all;
  for (const auto& [name, tensor] : tensors) all[name] = tensor.detach();
  return all;
}

RoundedTensors::RoundedTensors(const NamedTensors& tensors, at::ScalarType dtype)
    : tensors_(tensors) {
  at::NoGradGuard no_grad;
  for (auto& [name, tensor] : tensors_) {
    values_.push_back(tensor.detach().clone());
    tensor.copy_(tensor.to(dtype));
  }
}

RoundedTensors::~RoundedTensors() {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < values_.size(); ++i) tensors_[i].second.copy_(values_[i]);
}

void copy_tensors(const std::map<std::string, at::Tensor>& from, const NamedTensors& to,
                  const std::string& editor, const std::string& file) {
  at::NoGradGuard no_grad;
  constexpr const char* kHint = "the file belongs to other settings or to another model";
  for (const auto& [name, tensor] : to) {
    const auto found = from.find(name);
    if (found == from.end() || found->second.sizes() != tensor.sizes())
      throw Error("editing::" + editor,
                  fmt::format("{} is missing '{}', or its shape is wrong", file, name), kHint);
    auto target = tensor;
    target.copy_(found->second);
  }
  if (from.size() != to.size())
    throw Error("editing::" + editor,
                fmt::format("{} has {} tensors, expected {}", file, from.size(), to.size()), kHint);
}

}  // namespace emend
