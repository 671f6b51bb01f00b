#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <vector>

namespace emend {

struct TensorInfo {
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes after a safetensors header; 0 to their number elsewhere
};

// One file of named tensors, checked whole when it is opened.
class TensorFile {
 public:
  virtual ~TensorFile() = default;

  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  const std::string& path() const { return path_; }
  // Zero-copy where aligned; keeps the mapping alive; must not be written to.
  virtual at::Tensor tensor(const std::string& name) const = 0;
  // Says that a tensor has been read for now: its pages of the file leave this process' memory and
  // come back when it is read again.
  virtual void let_go(const std::string& name) const = 0;

 protected:
  std::map<std::string, TensorInfo> tensors_;
  std::string path_;
};

}  // namespace emend
