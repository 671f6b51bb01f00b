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

// A tensor as a listing of a checkpoint names it.
struct WeightInfo {
  std::string name;
  std::vector<int64_t> shape;
  at::ScalarType dtype = at::kFloat;
};

// An architecture's own name for a tensor or module that any release of transformers named; empty
// for one that is known and not read.
using NameMap = std::string (*)(const std::string& name);
std::string same_name(const std::string& name);

// Where a model under construction takes its named tensors from. Every tensor must be taken, with
// the shape that the model expects; `finish` reports all that did not fit at once.
class Weights {
 public:
  using Initialiser = std::function<at::Tensor(const std::string& name, at::IntArrayRef shape)>;

  // Tensors of a checkpoint; zero-copy when dtype and device are the stored ones, converted else.
  Weights(Checkpoint checkpoint, at::ScalarType dtype, at::Device device = at::kCPU);
  // New tensors, made by `initialise` in any float dtype.
  Weights(Initialiser initialise, at::ScalarType dtype, at::Device device = at::kCPU);
  // Zeros that take no memory, in the listed shapes.
  Weights(const std::vector<WeightInfo>& listing, at::ScalarType dtype,
          at::Device device = at::kCPU);

  // What tensors are taken by; a model's constructor says so before it takes any.
  void name_by(NameMap names);
  // The tensor, or a stand-in when it is missing or misshapen (`finish` throws then).
  at::Tensor take(const std::string& name, at::IntArrayRef shape);
  // The same for a matrix of a linear layer or an embedding, which stays as it is stored when that
  // is bfloat16 or half and 16 bits are kept.
  at::Tensor take_matrix(const std::string& name, at::IntArrayRef shape);
  void keep_16_bits() { keep_16_bits_ = true; }
  // False when made by an initialiser: it has what is asked for and nothing else.
  bool contains(const std::string& name) const;
  // Throws one emend::Error that names what is missing, left over or misshapen.
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
  Initialiser initialise_;
  std::shared_ptr<const Checkpoint> checkpoint_;  // null for a listing
  std::vector<Entry> stored_;
  std::map<std::string, size_t> entries_;  // numbers of the former by the architecture's names
  at::Tensor zero_;  // one number; stand-ins and the zeros of a listing are views of it
  std::set<std::string> taken_;
  std::vector<std::string> missing_, misshapen_, doubled_;
};

// Buffers that older releases saved and that hold no knowledge.
bool is_benign_buffer(const std::string& name);

}  // namespace emend
