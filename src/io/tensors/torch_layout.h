#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <string_view>

#include "io/tensors/pickle.h"

namespace emend {

// The bytes of a tensor, or of several that share them.
struct TorchStorage {
  at::ScalarType dtype = at::ScalarType::Undefined;
  uint64_t elements = 0;
  uint64_t begin = 0;  // in the file
};

// A file of torch.save taken apart: what was saved, and the storages that it names, by key; each of
// them lies inside of the file.
struct TorchLayout {
  Pickle saved;
  std::map<std::string, TorchStorage, std::less<>> storages;
};

// Reads the zip layout (torch 1.6 and later) or the older one. Throws emend::Error for anything
// else, saying what it looks like. `bytes` must outlive the result.
TorchLayout read_torch_layout(std::string_view bytes, const std::string& path);

}  // namespace emend
