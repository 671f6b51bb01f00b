#pragma once

#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "io/tensors/safetensors.h"

namespace emend {

// How ggml stores the values of a tensor, with ggml's number.
enum class GgufType : uint32_t { f32 = 0, f16 = 1, q8_0 = 8, bf16 = 30 };

// "fp32", "fp16", "q8_0", "bf16".
const char* gguf_type_name(GgufType type);

using GgufValue = std::variant<uint32_t, float, bool, std::string, std::vector<int32_t>,
                               std::vector<float>, std::vector<std::string>>;
using GgufMetadata = std::vector<std::pair<std::string, GgufValue>>;  // in the order of the file

// A tensor to write. `shape` is in the order of LibTorch; the file has the reverse. `make` returns
// any floating dtype; it is called when the tensor is written, and its result is released
// afterward.
struct GgufTensor {
  std::string name;
  GgufType type;
  std::vector<int64_t> shape;
  std::function<at::Tensor()> make;
};

uint64_t gguf_bytes(const GgufTensor& tensor);
// What a reader of the file gets for these values, float32.
at::Tensor gguf_rounded(const at::Tensor& values, GgufType type);

// Throws emend::Error if `path` exists and is not a GGUF file, which is never replaced, or if it
// cannot be written.
void check_gguf_output(const std::string& path);

// Writes a GGUF file of version 3 with alignment 32, atomically. Tensors are converted in slices of
// rows. Throws emend::Error for a value that the type cannot represent, duplicate or too long
// names, and a tensor without the planned shape.
void stream_gguf(const std::string& path, const GgufMetadata& metadata,
                 const std::vector<GgufTensor>& tensors, const WriteProgress& written = {});

}  // namespace emend
