#pragma once

#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace emend {

struct TensorInfo {
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes after the header
};

// One .safetensors file, memory-mapped private and read-only; its header is checked whole.
class SafetensorsFile {
 public:
  // Throws emend::Error for a bad header: overlap, gap, overflow, duplicate name, unknown dtype,
  // absurd length, bytes missing or left over.
  static std::shared_ptr<const SafetensorsFile> open(const std::string& path);
  virtual ~SafetensorsFile() = default;

  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::string& path() const { return path_; }
  // Zero-copy where aligned; keeps the mapping alive; must not be written to.
  virtual at::Tensor tensor(const std::string& name) const = 0;

 protected:
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
  std::string path_;
};

// model.safetensors, or the shards that model.safetensors.index.json names, as one set of tensors.
class Checkpoint {
 public:
  static Checkpoint open(const std::string& folder);
  std::vector<std::string> names() const;
  bool contains(const std::string& name) const { return file_of_.count(name) > 0; }
  const TensorInfo& info(const std::string& name) const;
  at::Tensor tensor(const std::string& name) const;

 private:
  std::map<std::string, std::shared_ptr<const SafetensorsFile>> file_of_;
};

// Written to a temporary name beside `path` and renamed; a full disk leaves nothing behind.
void write_safetensors(const std::string& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace emend
