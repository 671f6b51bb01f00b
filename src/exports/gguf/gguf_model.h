#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "editing/patches/patch_stack.h"
#include "exports/gguf/gguf_writer.h"
#include "exports/rounding.h"

namespace emend {

// The types of the file, and functions that follow its progress.
struct GgufModelOptions {
  // Of all matrices; none: the dtype of most of the folder. Vectors are float32, as llama.cpp wants
  // them, and a matrix whose rows Q8_0 cannot divide into blocks is float16.
  std::optional<GgufType> type = GgufType::f16;
  std::string pre_tokenizer;                  // see gguf_tokenizer
  std::function<void(uint64_t bytes)> begin;  // called once, with the number of bytes to write
  WriteProgress written;                      // called for every written slice of a tensor
};

// What was written.
struct GgufModel {
  int64_t tensors = 0, changed = 0;
  uint64_t bytes = 0;  // of the tensors
  Rounding rounding;
  std::string projector;           // path of the second file; empty: none
  std::vector<std::string> notes;  // what a user should know
};

// Writes a LlamaForCausalLM, LLaVA 1.5, SmolVLM or Idefics3 with the stack's changes as a GGUF file
// for llama.cpp, and vision tower and projector as OUTPUT-mmproj.gguf beside it. An empty stack
// gives the unedited model. Tensors are written one by one. Throws emend::Error if llama.cpp or
// this function does not support the architecture, a setting or the tokenizer, if the stack has a
// memory, or if `output` exists and is not a GGUF file; then nothing is written.
GgufModel write_gguf_model(const Vlm& vlm, const PatchStack& stack, const std::string& output,
                           const GgufModelOptions& options = {});

}  // namespace emend
