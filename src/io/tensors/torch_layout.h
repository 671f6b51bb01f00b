#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <string_view>

#include "io/tensors/pickle.h"

namespace emend {

// The bytes of a tensor, or of several tensors that share them.
struct TorchStorage {
  at::ScalarType dtype = at::ScalarType::Undefined;
  uint64_t elements = 0;
  uint64_t begin = 0;  // offset in the file
};

// A parsed file of torch.save: the saved value, and the storages that it refers to, by key. Each
// storage lies inside the file.
struct TorchLayout {
  Pickle saved;
  std::map<std::string, TorchStorage, std::less<>> storages;
};

// Reads the zip layout (torch 1.6 and later) or the older one. Throws emend::Error for other
// content and says what it seems to be. `bytes` must outlive the result.
TorchLayout read_torch_layout(std::string_view bytes, const std::string& path);

}  // namespace emend
