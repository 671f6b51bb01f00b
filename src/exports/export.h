#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "editing/patches/patch_stack.h"
#include "exports/low_rank.h"
#include "exports/rounding.h"

namespace emend {

// What to write, as a user chooses it.
struct ExportOptions {
  std::string format = "hf";                   // of export_formats()
  std::string dtype;                           // of the weights; empty: the default of the format
  std::string pre_tokenizer;                   // gguf: llama.cpp's name, if it is not recognized
  LowRankOptions low_rank = {};                // of peft and gguf-lora
  std::function<void(uint64_t)> begin = {};    // hf, gguf: receives the number of bytes to write
  std::function<void(uint64_t)> written = {};  // hf, gguf: for each written part, with its bytes
};

// What was written.
struct ExportResult {
  std::string format, output;
  // hf and gguf
  int64_t tensors = 0, changed = 0;
  uint64_t bytes = 0;
  Rounding rounding;
  std::string projector;           // gguf: the second file; empty: none
  std::vector<std::string> notes;  // what a user should know
  // peft and gguf-lora
  std::vector<AdaptedLayer> layers;
};

// hf, peft, gguf, gguf-lora
const std::vector<std::string>& export_formats();
// Why the model in `folder` cannot be exported in a format, as text for users; empty if it can.
std::string export_obstacle(const std::string& folder, const std::string& format);
// Whether the format is one file, not a folder.
bool exports_file(const std::string& format);
// Throws emend::Error for options that the format does not have.
void check_export_options(const ExportOptions& options);

// Writes the model with the changes of the stack, or an adapter with these changes. Throws
// emend::Error as write_merged_folder, write_peft_adapter, write_gguf_model and write_gguf_adapter
// do.
ExportResult export_stack(const Vlm& vlm, const PatchStack& stack, const std::string& output,
                          const ExportOptions& options);

// The result as `emend export --json` prints it, without the checked prompts and the version.
nlohmann::json to_json(const ExportResult& result);

}  // namespace emend
