#pragma once

#include <memory>
#include <utility>

#include "io/tensor_file.h"

namespace emend {

// One .safetensors file, memory-mapped private and read-only; its header is checked whole.
class SafetensorsFile : public TensorFile {
 public:
  // Throws emend::Error for a bad header: overlap, gap, overflow, duplicate name, unknown dtype,
  // absurd length, bytes missing or left over.
  static std::shared_ptr<const SafetensorsFile> open(const std::string& path);

  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 protected:
  std::map<std::string, std::string> metadata_;
};

// model.safetensors, or the shards that model.safetensors.index.json names, as one set of tensors;
// where there is neither, pytorch_model.bin or its shards (io/torch_file.h).
class Checkpoint {
 public:
  static Checkpoint open(const std::string& folder);
  // One file by itself.
  static Checkpoint of(const std::shared_ptr<const TensorFile>& file);
  std::vector<std::string> names() const;
  bool contains(const std::string& name) const { return file_of_.count(name) > 0; }
  const TensorInfo& info(const std::string& name) const;
  at::Tensor tensor(const std::string& name) const;

 private:
  std::map<std::string, std::shared_ptr<const TensorFile>> file_of_;
};

// Written to a temporary name beside `path` and renamed; a full disk leaves nothing behind.
void write_safetensors(const std::string& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace emend
