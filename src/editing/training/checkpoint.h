#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/vlm.h"

namespace emend {

// A trained editor as a file: its networks, their settings, the base model, and how they were
// trained.
struct EditorCheckpoint {
  std::string editor;  // for example "mend"
  std::string base;    // fingerprint of the base model
  nlohmann::json settings;
  nlohmann::json training;                    // suite, steps, history of losses and scores
  std::map<std::string, at::Tensor> tensors;  // float32; can be stored as bfloat16
  std::string made_by = std::string("emend ") + EMEND_VERSION;
  at::ScalarType dtype = at::kFloat;  // of the tensors in the file that was read
};

// Writes a safetensors file with all other fields in its metadata. The file is written completely
// or not at all. `dtype` is float32, or bfloat16 for half the size; tensors named "calibration..."
// stay float32. Throws emend::Error if a tensor is not finite.
void save_checkpoint(const std::string& path, const EditorCheckpoint& checkpoint,
                     at::ScalarType dtype = at::kFloat);

// Reads the description of a checkpoint of any editor and model, without its tensors. Throws
// emend::Error if the file is not a checkpoint.
EditorCheckpoint describe_checkpoint(const std::string& path);

// Reads a checkpoint strictly. Throws emend::Error if the file is not a checkpoint, or belongs to
// an editor other than `editor` or to a model other than `base`.
EditorCheckpoint load_checkpoint(const std::string& path, const std::string& editor,
                                 const std::string& base);
// The same for a checkpoint of any of several editors.
EditorCheckpoint load_checkpoint(const std::string& path, const std::vector<std::string>& editors,
                                 const std::string& base);

// Returns the path of the checkpoint in a model's folder: FOLDER/editors/EDITOR-MODULE.safetensors,
// or EDITOR.safetensors if `module` is empty. Throws emend::Error, which explains how to train the
// editor, if there is no such file.
std::string find_checkpoint(const Vlm& vlm, const std::string& editor, const std::string& module);

// The checkpoints of an editor in a model's folder, of all its modules, in the order of their names.
std::vector<std::string> standard_checkpoints(const std::string& folder, const std::string& editor);

// Throws emend::Error if an editor of `module` loads a checkpoint that was trained for another one.
void require_module(const std::string& module, const std::string& trained, const std::string& file);

}  // namespace emend
