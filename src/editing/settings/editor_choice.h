#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "editing/editor.h"

namespace emend {

// An editor and its settings, as a user chooses them.
struct EditorChoice {
  std::string editor = "ft", module, sites;
  std::string hparams;                // EasyEdit hyperparameter file, instead of `editor`
  std::string settings_file;          // settings by editor, YAML or JSON
  std::vector<std::string> settings;  // NAME=VALUE, in order
  int64_t seed = 0;                   // for editors that have one, unless a setting sets it
};

// The editor with its settings. Throws emend::Error for several editors, for an unknown editor or
// setting, and for a value that is out of range.
EditorSpec chosen_editor(const EditorChoice& choice);

}  // namespace emend
