#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <vector>

namespace emend {

// The dtype, shape and place of a tensor in a file.
struct TensorInfo {
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  uint64_t begin = 0,
           end = 0;  // byte offsets after a safetensors header; other formats: 0 and the size
};

// A file of named tensors, which is checked when it is opened.
class TensorFile {
 public:
  virtual ~TensorFile() = default;

  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  const std::string& path() const { return path_; }
  // Returns a view of the mapped file where it is aligned, otherwise a copy. The view keeps the
  // mapping alive and must not be written to.
  virtual at::Tensor tensor(const std::string& name) const = 0;
  // Releases the pages of a tensor from the memory of this process. They are loaded again when the
  // tensor is next read.
  virtual void release_pages(const std::string& name) const = 0;

 protected:
  std::map<std::string, TensorInfo> tensors_;
  std::string path_;
};

}  // namespace emend
