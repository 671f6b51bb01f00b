#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "io/safetensors.h"

namespace emend {

// A tensor as a listing of a checkpoint names it.
struct WeightInfo {
  std::string name;
  std::vector<int64_t> shape;
  at::ScalarType dtype = at::kFloat;
};

// Where a model under construction takes its named tensors from. Every tensor must be taken, with
// the shape that the model expects; `finish` reports all that did not fit at once. Names are those
// of the current transformers release; older layouts are mapped to them.
class Weights {
 public:
  using Initialiser = std::function<at::Tensor(const std::string& name, at::IntArrayRef shape)>;

  // A stored tensor's name -> the current one; empty: it is known, and not read.
  using Naming = std::function<std::string(const std::string& stored)>;

  // Tensors of a checkpoint; zero-copy when dtype and device are the stored ones, converted else.
  // `naming`: canonical_name by default.
  Weights(Checkpoint checkpoint, at::ScalarType dtype, at::Device device = at::kCPU,
          const Naming& naming = {});
  // New tensors, made by `initialise` in any float dtype.
  Weights(Initialiser initialise, at::ScalarType dtype, at::Device device = at::kCPU);
  // Zeros that take no memory, in the listed shapes.
  Weights(const std::vector<WeightInfo>& listing, at::ScalarType dtype,
          at::Device device = at::kCPU);

  // The tensor, or a stand-in when it is missing or misshapen (`finish` throws then).
  at::Tensor take(const std::string& name, at::IntArrayRef shape);
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
  void add(const std::string& stored, std::vector<int64_t> shape, at::ScalarType dtype,
           const Naming& naming = {});

  at::ScalarType dtype_;
  at::Device device_;
  Initialiser initialise_;
  std::shared_ptr<const Checkpoint> checkpoint_;  // null for a listing
  std::map<std::string, Entry> entries_;          // by canonical name
  at::Tensor zero_;  // one number; stand-ins and the zeros of a listing are views of it
  std::set<std::string> taken_;
  std::vector<std::string> missing_, misshapen_, doubled_;
};

// The current release's name of a tensor or module path that any release wrote.
std::string canonical_name(const std::string& name);

// Buffers that older releases saved and that hold no knowledge.
bool is_benign_buffer(const std::string& canonical);

}  // namespace emend
