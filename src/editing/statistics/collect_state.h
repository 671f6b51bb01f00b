#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace emend {

// The state from which an interrupted collection of moments continues: a safetensors file with a
// checksum.
struct CollectState {
  nlohmann::json run;  // what is computed; a state of another run is refused
  int64_t group = 0;   // sites of this group are collected
  int64_t sample = 0;  // the next sample
  std::map<std::string, at::Tensor> tensors;

  static constexpr const char* kFormat = "emend-statistics-state";

  void save(const std::string& path) const;
  // Throws emend::Error if the file is damaged or of another run.
  static CollectState load(const std::string& path, const nlohmann::json& run);
};

}  // namespace emend
