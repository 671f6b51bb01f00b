#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/tensors/safetensors.h"

namespace emend {

struct WriteOptions {
  uint64_t shard_bytes = uint64_t{5'000'000'000};
  std::function<void(uint64_t bytes)> begin;  // hears once how many bytes there are to write
  Written written;                            // hears of every tensor written
};

// A model's folder in Hugging Face layout, to be written.
struct ModelFolder {
  nlohmann::json config, preprocessor;
  std::string tokenizer;  // the folder that its tokenizer's files are copied from
  std::vector<PlannedTensor> tensors;

  uint64_t bytes() const;  // of the tensors
  // Throws emend::Error, and then leaves nothing at `output`: when there is something already, or
  // the disk has too little space.
  void write(const std::string& output, const WriteOptions& options = {}) const;
};

// preprocessor_config.json of BLIP-2's processor, for pictures of this many pixels a side.
nlohmann::json square_preprocessor(int64_t side);

}  // namespace emend
