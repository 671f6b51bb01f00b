#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <string>

namespace emend {

// What a model computes in, how its weights are kept, and why.
struct Precision {
  at::ScalarType compute = at::kFloat;  // of activations
  at::ScalarType weights = at::kFloat;  // of the matrices of linear layers and embeddings
  std::string reason;                   // a phrase: "the folder is stored in fp32"

  // Matrices stay mapped in 16 bits, and blocks of them are upcast as they are used.
  bool keeps_16_bits() const { return weights != compute; }
};

// `asked`: the dtype that a user named; none: chosen by the dtype that most of the folder is stored
// in and by what the machine computes fast. Half is never rounded to bfloat16 unless asked for: it
// has three bits more.
Precision choose_precision(std::optional<at::ScalarType> asked, at::ScalarType stored,
                           at::Device device, bool bf16_is_fast);

}  // namespace emend
