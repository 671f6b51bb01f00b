#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/tensors/safetensors.h"
#include "models/core/weights.h"

namespace emend {

// A model's tensors, gathered from several files under the names that its folder will have.
// Nothing is read before it is written.
class Gather {
 public:
  // nullopt: each tensor keeps the dtype that its file has.
  explicit Gather(std::optional<at::ScalarType> dtype) : dtype_(dtype) {}

  // Everything in `source` that `rename` gives a name is taken, the rest is noted as ignored.
  // Throws emend::Error when a name is there already, naming both files.
  using Rename = std::function<std::optional<std::string>(const std::string&)>;
  void take(const Checkpoint& source, const std::string& file, const Rename& rename);

  bool has(const std::string& name) const { return tensors_.count(name) > 0; }
  // Of a tensor that is there and has `dimensions` of them; throws emend::Error else.
  const std::vector<int64_t>& shape(const std::string& name, size_t dimensions) const;
  // How many there are of `PREFIX0...`, `PREFIX1...`: one more than the highest number.
  int64_t count(const std::string& prefix) const;

  void drop(const std::string& name, const std::string& why);
  // Puts a computed tensor in the place of those named, which have to be there.
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
