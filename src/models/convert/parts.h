#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "models/convert/gather.h"
#include "models/convert/model_folder.h"
#include "text/tokenizer.h"

namespace emend {

// Options of a conversion, for values that files do not contain or that the user overrides.
struct ConvertOptions {
  std::optional<at::ScalarType> dtype;  // absent: each tensor keeps its dtype
  // Absent: from the head size of the released models, 88 in the vision tower and 64 in the
  // Q-Former.
  std::optional<int64_t> vision_heads, qformer_heads;
  // The number of blocks of the vision tower that run. Absent: all blocks of the file; for
  // eva_vit_g.pth the first 39 of 40, as in LAVIS.
  std::optional<int64_t> vision_blocks;
  // The size of pictures. Absent: from the position embeddings. Another size interpolates them
  // (bicubic), as in LAVIS.
  std::optional<int64_t> image_size;
  WriteOptions write;
};

// A summary of a conversion for the user.
struct Conversion {
  uint64_t tensors = 0, bytes = 0;
  std::vector<std::string> ignored;  // tensors of the files that the model does not have
  std::vector<std::string> notes;    // choices that the files do not determine
};

// Opens a file (.pth, .pt, .bin, .safetensors) or a folder of weights.
Checkpoint open_weights(const std::string& path);

// Takes the vision tower from its own file, or, if `vit` is empty, from the checkpoint, where its
// names start with `visual_encoder.`. Joins its q and v biases and drops blocks that do not run.
void take_vision_tower(Gather& gather, const Checkpoint& checkpoint, const std::string& file,
                       const std::string& vit, const ConvertOptions& options, Conversion& result);

// vision_config and qformer_config for the collected tensors.
nlohmann::json lavis_vision_config(const Gather& gather, const ConvertOptions& options);
nlohmann::json lavis_qformer_config(const Gather& gather, const ConvertOptions& options);

// A folder with a language model and its tokenizer.
struct LanguageFolder {
  std::string path;
  nlohmann::json config;
  std::shared_ptr<const Tokenizer> tokenizer;

  // Throws emend::Error if config.json has another model_type, or the tokenizer has more tokens
  // than the model.
  static LanguageFolder open(const std::string& path, const std::string& model_type);
};

// Writes the collected tensors as a folder, with the tokenizer of the language model and a
// processor for square pictures, and fills in `result`.
void write_model_folder(const std::string& output, const nlohmann::json& config,
                        const LanguageFolder& language, const Gather& gather,
                        const ConvertOptions& options, Conversion& result);

}  // namespace emend
