#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "io/tensors/safetensors.h"

namespace emend {

// A tensor in the listing of a checkpoint.
struct WeightInfo {
  std::string name;
  std::vector<int64_t> shape;
  at::ScalarType dtype = at::kFloat;
};

// Converts the name of a tensor or module in any release of transformers to the architecture's
// name. Returns an empty name for a known tensor that is not used.
using NameMap = std::string (*)(const std::string& name);
std::string identity_name(const std::string& name);

// The source of a model's tensors during construction. Every tensor must be taken with the shape
// that the model expects. `finish` reports all differences together.
class Weights {
 public:
  using Initializer = std::function<at::Tensor(const std::string& name, at::IntArrayRef shape)>;

  // The tensors of a checkpoint: zero-copy if dtype and device are those of the file, otherwise
  // converted.
  Weights(Checkpoint checkpoint, at::ScalarType dtype, at::Device device = at::kCPU);
  // New tensors, made by `initialize` in any floating-point dtype.
  Weights(Initializer initialize, at::ScalarType dtype, at::Device device = at::kCPU);
  // Zeros in the listed shapes, which take no memory.
  Weights(const std::vector<WeightInfo>& listing, at::ScalarType dtype,
          at::Device device = at::kCPU);

  // The architecture's names. The constructor of a model sets them before it takes tensors.
  void name_by(NameMap names);
  // Returns the tensor, or a stand-in if it is missing or has the wrong shape
  // (`finish` then throws).
  at::Tensor take(const std::string& name, at::IntArrayRef shape);
  // Does the same for a matrix of a linear layer or an embedding, which keeps its dtype if that is
  // bfloat16 or half and 16 bits are kept.
  at::Tensor take_matrix(const std::string& name, at::IntArrayRef shape);
  void keep_16_bits() { keep_16_bits_ = true; }
  // False for an initializer, which has only the requested tensors.
  bool contains(const std::string& name) const;
  // Throws one emend::Error that lists missing and unexpected tensors and wrong shapes.
  void finish() const;

  at::ScalarType dtype() const { return dtype_; }
  at::Device device() const { return device_; }

 private:
  struct Entry {
    std::string stored;
    std::vector<int64_t> shape;
    at::ScalarType dtype;
  };
  at::Tensor take(const std::string& name, at::IntArrayRef shape, bool keep_16_bits);

  at::ScalarType dtype_;
  at::Device device_;
  bool keep_16_bits_ = false;
  Initializer initialize_;
  std::shared_ptr<const Checkpoint> checkpoint_;  // null for a listing
  std::vector<Entry> stored_;
  std::map<std::string, size_t> entries_;  // indices of the entries by the architecture's names
  at::Tensor zero_;  // a scalar; stand-ins and the zeros of a listing are views of it
  std::set<std::string> taken_;
  std::vector<std::string> missing_, misshapen_, doubled_;
};

// Buffers that older releases saved and that contain no weights.
bool is_benign_buffer(const std::string& name);

}  // namespace emend
