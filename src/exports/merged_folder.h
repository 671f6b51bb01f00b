#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "editing/patches/patch_stack.h"
#include "exports/rounding.h"
#include "io/tensors/safetensors.h"

namespace emend {

// The dtype of the weights, and functions that follow the progress.
struct MergedFolderOptions {
  std::optional<at::ScalarType> dtype;        // of all weights; none: that of each stored tensor
  std::function<void(uint64_t bytes)> begin;  // called once, with the number of bytes to write
  WriteProgress written;                      // called for every written tensor
};

// What was written.
struct MergedFolder {
  int64_t tensors = 0, changed = 0;
  uint64_t bytes = 0;
  Rounding rounding;
  std::vector<std::string> notes;  // what a user should know
};

// Writes the folder of `vlm` with the stack's changes in its weights: the same tensors, shards and
// other files, but a model_card instead of README.md and other documents about the base model.
// Tensors are written one by one. A change of a tied output layer unties it. Throws emend::Error if
// the stack has a memory or no change, if `output` exists, or if a changed weight is not in the
// folder; then nothing is written.
MergedFolder write_merged_folder(const Vlm& vlm, const PatchStack& stack, const std::string& output,
                                 const MergedFolderOptions& options = {});

}  // namespace emend
