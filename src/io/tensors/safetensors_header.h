#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "io/tensors/safetensors.h"

namespace emend {

// A dtype of the format. `type` is Undefined if LibTorch 1.13 has no such dtype.
struct SafetensorsType {
  const char* name;
  int bits;
  at::ScalarType type;
};
const SafetensorsType* find_safetensors_type(std::string_view name);
const SafetensorsType* find_safetensors_type(at::ScalarType type);

// The checked header of a safetensors file.
struct SafetensorsHeader {
  std::map<std::string, TensorInfo> tensors;
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::string> unsupported;  // name -> dtype, for tensors of Undefined dtype
  uint64_t data_begin = 0;                         // offset of the first tensor in the file
};

// Checks the header of a file of `size` bytes at `data`. Throws emend::Error.
SafetensorsHeader parse_safetensors_header(const uint8_t* data, uint64_t size,
                                           const std::string& path);

}  // namespace emend
