#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "io/tensors/tensor_file.h"

namespace emend {

// A .safetensors file, memory-mapped private and read-only. Its whole header is checked.
class SafetensorsFile : public TensorFile {
 public:
  // Throws emend::Error for a bad header: overlaps, gaps, overflow, duplicate names, unknown
  // dtypes, an excessive length, missing or extra bytes.
  static std::shared_ptr<const SafetensorsFile> open(const std::string& path);

  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 protected:
  std::map<std::string, std::string> metadata_;
};

// The tensors of a model folder: model.safetensors, or the shards that model.safetensors.index.json
// names; if neither exists, pytorch_model.bin or its shards (io/tensors/torch_file.h).
class Checkpoint {
 public:
  static Checkpoint open(const std::string& folder);
  // A checkpoint of a single file.
  static Checkpoint of(const std::shared_ptr<const TensorFile>& file);
  std::vector<std::string> names() const;
  bool contains(const std::string& name) const { return file_of_.count(name) > 0; }
  const TensorInfo& info(const std::string& name) const;
  const std::string& file(const std::string& name) const;  // path of the file with the tensor
  at::Tensor tensor(const std::string& name) const;
  void release_pages(const std::string& name) const;  // see TensorFile

 private:
  std::map<std::string, std::shared_ptr<const TensorFile>> file_of_;
};

// A tensor to write. It is created when it is written and released afterward, so that a file can
// be larger than the memory.
struct PlannedTensor {
  std::string name;
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  std::function<at::Tensor()> make;  // must return this dtype and shape
};
// Receives the number of tensor bytes written since the last call. May throw to stop.
using WriteProgress = std::function<void(uint64_t bytes)>;

// Writes atomically: to a temporary file that is then renamed. A full disk leaves no file behind.
void write_safetensors(const std::string& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata = {});
void stream_safetensors(const std::string& path, const std::vector<PlannedTensor>& tensors,
                        const std::map<std::string, std::string>& metadata = {},
                        const WriteProgress& written = {});

// Writes model.safetensors; if that would be larger than `shard_bytes`, writes shards and
// model.safetensors.index.json with the names of Hugging Face. A shard is larger only if a single
// tensor is.
void stream_checkpoint(const std::string& folder, const std::vector<PlannedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {},
                       uint64_t shard_bytes = uint64_t{5'000'000'000},
                       const WriteProgress& written = {});

}  // namespace emend
