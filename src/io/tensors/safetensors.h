#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "io/tensors/tensor_file.h"

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
// where there is neither, pytorch_model.bin or its shards (io/tensors/torch_file.h).
class Checkpoint {
 public:
  static Checkpoint open(const std::string& folder);
  // One file by itself.
  static Checkpoint of(const std::shared_ptr<const TensorFile>& file);
  std::vector<std::string> names() const;
  bool contains(const std::string& name) const { return file_of_.count(name) > 0; }
  const TensorInfo& info(const std::string& name) const;
  at::Tensor tensor(const std::string& name) const;
  void let_go(const std::string& name) const;  // see TensorFile

 private:
  std::map<std::string, std::shared_ptr<const TensorFile>> file_of_;
};

// A tensor to be written: it is made when its turn comes and let go afterwards, so that a file can
// be larger than the memory.
struct PlannedTensor {
  std::string name;
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  std::function<at::Tensor()> make;  // must give this dtype and shape
};
// Hears how many bytes of tensors were written since the last time; may throw, to stop.
using Written = std::function<void(uint64_t bytes)>;

// Written to a temporary name beside `path` and renamed; a full disk leaves nothing behind.
void write_safetensors(const std::string& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata = {});
void stream_safetensors(const std::string& path, const std::vector<PlannedTensor>& tensors,
                        const std::map<std::string, std::string>& metadata = {},
                        const Written& written = {});

// model.safetensors; or, where that would be larger than `shard_bytes`, shards of at most that size
// (larger only where one tensor is) and model.safetensors.index.json, as Hugging Face names them.
void stream_checkpoint(const std::string& folder, const std::vector<PlannedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {},
                       uint64_t shard_bytes = uint64_t{5'000'000'000}, const Written& written = {});

}  // namespace emend
