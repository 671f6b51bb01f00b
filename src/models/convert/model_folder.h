#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/tensors/safetensors.h"

namespace emend {

// The size of files, and functions that follow the progress.
struct WriteOptions {
  uint64_t shard_bytes = uint64_t{5'000'000'000};
  std::function<void(uint64_t bytes)> begin;  // called once, with the number of bytes to write
  WriteProgress written;                      // called for every written tensor
};

// A model folder in Hugging Face layout, to be written.
struct ModelFolder {
  nlohmann::json config, preprocessor;
  std::string tokenizer;  // the folder from which the tokenizer files are copied
  std::vector<PlannedTensor> tensors;

  uint64_t bytes() const;  // size of the tensors
  // Throws emend::Error, and then leaves nothing at `output`, if `output` exists already or the
  // disk has too little space.
  void write(const std::string& output, const WriteOptions& options = {}) const;
};

// preprocessor_config.json of BLIP-2's processor for square pictures of this size in pixels.
nlohmann::json square_preprocessor(int64_t side);

}  // namespace emend
