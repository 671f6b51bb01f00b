#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <string>

namespace emend {

// fp32, bf16 or fp16, for results and messages; another dtype as LibTorch names it.
std::string dtype_name(at::ScalarType dtype);

// The dtype that dtype_name calls fp32, bf16 or fp16; none for another name, such as auto.
std::optional<at::ScalarType> named_dtype(const std::string& name);

// The dtypes of a model's activations and weights, and the reason for their choice.
struct Precision {
  at::ScalarType compute = at::kFloat;  // of activations
  at::ScalarType weights = at::kFloat;  // of the matrices of linear layers and embeddings
  std::string reason;                   // a clause: "the folder is stored in fp32"

  // Whether matrices stay mapped in 16 bits. Blocks of them are converted when they are used.
  bool keeps_16_bits() const { return weights != compute; }
};

// `asked` is the dtype that the user requested. Without it, the choice depends on the dtype of most
// of the folder's bytes, and on the dtypes that the machine computes fast. fp16 is converted to
// bfloat16 only on request, because fp16 has 3 more bits of precision.
Precision choose_precision(std::optional<at::ScalarType> asked, at::ScalarType stored,
                           at::Device device, bool bf16_is_fast);

}  // namespace emend
