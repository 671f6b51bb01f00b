#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/vlm.h"

namespace emend {

// A trained editor as a file: its networks, the settings they were made with, the model that they
// belong to, and how they were trained.
struct EditorCheckpoint {
  std::string editor;  // "mend"
  std::string base;    // fingerprint of the model
  nlohmann::json settings;
  nlohmann::json training;                    // suite, steps, history of losses and measures
  std::map<std::string, at::Tensor> tensors;  // float32; bfloat16 on disk where saved so
  std::string made_by = std::string("emend ") + EMEND_VERSION;
};

// A safetensors file with everything else in its metadata; written whole or not at all. `dtype`:
// float32, or bfloat16 for half the size. Throws emend::Error for a tensor that is not finite.
void save_checkpoint(const std::string& path, const EditorCheckpoint& checkpoint,
                     at::ScalarType dtype = at::kFloat);

// Strict. `editor` and `base` are what is asked for: throws emend::Error when the file is no
// checkpoint, is one of another editor, or belongs to another model.
EditorCheckpoint load_checkpoint(const std::string& path, const std::string& editor,
                                 const std::string& base);
// The same for a checkpoint of any of several editors.
EditorCheckpoint load_checkpoint(const std::string& path, const std::vector<std::string>& editors,
                                 const std::string& base);

// Where the checkpoint that comes with a model lies: FOLDER/editors/EDITOR-MODULE.safetensors,
// or EDITOR.safetensors where `module` is empty.
// Throws emend::Error that says how to train one when it is not there.
std::string find_checkpoint(const Vlm& vlm, const std::string& editor, const std::string& module);

}  // namespace emend
