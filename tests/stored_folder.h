#pragma once

#include <filesystem>
#include <string>

#include "io/tensors/safetensors.h"

namespace emend::testing {

// Copies a model folder, with its tensors converted to another dtype.
inline void copy_folder(const std::string& from, const std::string& to, at::ScalarType dtype) {
  namespace fs = std::filesystem;
  fs::create_directories(to);
  for (const auto& entry : fs::directory_iterator(from))
    if (entry.is_regular_file() && entry.path().extension() != ".safetensors")
      fs::copy_file(entry.path(), fs::path(to) / entry.path().filename());
  const auto checkpoint = Checkpoint::open(from);
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& name : checkpoint.names())
    tensors.emplace_back(name, checkpoint.tensor(name).to(dtype));
  write_safetensors((fs::path(to) / "model.safetensors").string(), tensors, {{"format", "pt"}});
}

}  // namespace emend::testing
