#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/tensors/safetensors.h"
#include "models/core/loading/weights.h"

namespace emend {

// The tensors of a model, collected from several files under the names of the new folder. Tensors
// are read when they are written.
class Gather {
 public:
  // nullopt: each tensor keeps its dtype
  explicit Gather(std::optional<at::ScalarType> dtype) : dtype_(dtype) {}

  // Takes every tensor of `source` to which `rename` gives a name, and adds the others to the
  // ignored ones. Throws emend::Error, which names both files, if a name exists already.
  using Rename = std::function<std::optional<std::string>(const std::string&)>;
  void take(const Checkpoint& source, const std::string& file, const Rename& rename);

  bool has(const std::string& name) const { return tensors_.count(name) > 0; }
  // Returns the shape of a tensor. Throws emend::Error if the tensor is missing or does not have
  // `dimensions` dimensions.
  const std::vector<int64_t>& shape(const std::string& name, size_t dimensions) const;
  // Returns the number of modules `PREFIX0...`, `PREFIX1...`, which is the highest number plus 1.
  int64_t count(const std::string& prefix) const;

  void drop(const std::string& name, const std::string& why);
  // Replaces existing tensors by one that is computed from them.
  void replace(const std::vector<std::string>& names, const std::string& by,
               std::vector<int64_t> shape,
               const std::function<at::Tensor(const std::vector<at::Tensor>&)>& compute);

  std::vector<WeightInfo> listing() const;
  std::vector<PlannedTensor> planned() const;
  at::Tensor tensor(const std::string& name) const { return tensors_.at(name).make(); }
  // `t5_proj.weight (blip2_pretrained_flant5xxl.pth)`
  const std::vector<std::string>& ignored() const { return ignored_; }

 private:
  struct Entry {
    std::string file, stored;
    at::ScalarType dtype;
    std::vector<int64_t> shape;
    std::function<at::Tensor()> make;
  };

  std::optional<at::ScalarType> dtype_;
  std::map<std::string, Entry> tensors_;
  std::vector<std::string> ignored_;
};

}  // namespace emend
