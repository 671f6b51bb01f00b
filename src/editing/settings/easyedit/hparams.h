#pragma once

#include <string>
#include <vector>

#include "editing/editor.h"

namespace emend {

// A hyperparameter file of EasyEdit (hparams/FT/*.yaml, and those of LoRA, IKE, KE, MEND, SERAC
// and hparams/TRAINING) as an editor with settings.
struct Hparams {
  EditorSpec spec;  // labeled `ft (llama-7b)`: the editor, and the name of the file
  std::string algorithm;
  std::string model_name;  // the model that the file was written for; it does not select a model
  struct Ignored {
    std::string key, reason;
  };
  nlohmann::json training;       // settings of `emend train`; null for editors without training
  std::vector<Ignored> ignored;  // keys without effect on an edit, with the reason
  std::vector<Ignored> ignored_in_training;
};

// Reads YAML, or JSON if the file name ends in .json. Throws emend::Error, which names file and
// key, if the algorithm has no editor here, a key is unknown, or a value is invalid.
Hparams read_hparams(const std::string& path);

}  // namespace emend
