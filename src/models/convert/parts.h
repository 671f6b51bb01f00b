#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "models/convert/gather.h"
#include "models/convert/model_folder.h"
#include "text/tokenizer.h"

namespace emend {

// What a conversion cannot see in the files, or the user wants otherwise.
struct ConvertOptions {
  std::optional<at::ScalarType> dtype;  // absent: each tensor as its file has it
  // Absent: by the released models' width of a head, 88 in the vision tower and 64 in the Q-Former.
  std::optional<int64_t> vision_heads, qformer_heads;
  // How many blocks of the vision tower are run. Absent: all that the file has; of eva_vit_g.pth's
  // 40 the first 39, as LAVIS does.
  std::optional<int64_t> vision_blocks;
  // Side of the pictures. Absent: what the position embeddings were made for. Another one
  // interpolates them, bicubic, as LAVIS does when it is told an image size.
  std::optional<int64_t> image_size;
  WriteOptions write;
};

// What was done, to be told to the user.
struct Conversion {
  uint64_t tensors = 0, bytes = 0;
  std::vector<std::string> ignored;  // tensors of the files that the model has no place for
  std::vector<std::string> notes;    // decisions that the files did not make
};

// A file (.pth, .pt, .bin, .safetensors) or a folder of weights.
Checkpoint open_weights(const std::string& path);

// Takes the vision tower from a file of its own, or, where `vit` is empty, from the checkpoint,
// which has it behind `visual_encoder.`; joins its q and v biases and leaves out what is not run.
void take_vision_tower(Gather& gather, const Checkpoint& checkpoint, const std::string& file,
                       const std::string& vit, const ConvertOptions& options, Conversion& result);

// vision_config and qformer_config of what was gathered.
nlohmann::json lavis_vision_config(const Gather& gather, const ConvertOptions& options);
nlohmann::json lavis_qformer_config(const Gather& gather, const ConvertOptions& options);

// A folder with a language model and its tokenizer.
struct LanguageFolder {
  std::string path;
  nlohmann::json config;
  std::shared_ptr<const Tokenizer> tokenizer;

  // Throws emend::Error when config.json is of another model_type, or the tokenizer has more tokens
  // than the model.
  static LanguageFolder open(const std::string& path, const std::string& model_type);
};

// Writes what was gathered as a folder, with the language model's tokenizer and a processor for
// square pictures, and fills in `result`.
void write_model_folder(const std::string& output, const nlohmann::json& config,
                        const LanguageFolder& language, const Gather& gather,
                        const ConvertOptions& options, Conversion& result);

}  // namespace emend
