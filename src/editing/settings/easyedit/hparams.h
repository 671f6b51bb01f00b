#pragma once

#include <string>
#include <vector>

#include "editing/editor.h"

namespace emend {

// A hyper-parameter file of EasyEdit (hparams/FT/*.yaml, and so on for LoRA, IKE, KE, MEND, SERAC,
// and hparams/TRAINING) as an editor.
struct Hparams {
  EditorSpec spec;  // labelled `ft (llama-7b)`: the editor and the file's name
  std::string algorithm;
  std::string model_name;  // the model that the file was written for; -m says which is edited
  struct Ignored {
    std::string key, reason;
  };
  nlohmann::json training;       // settings of `emend train`; null where nothing is trained
  std::vector<Ignored> ignored;  // keys that change nothing in an edit, and why
  std::vector<Ignored> ignored_in_training;
};

// YAML, or (ending .json) JSON. Throws emend::Error naming file and key for an algorithm that has
// no editor here, a key that it does not know, or a value that makes no sense.
Hparams read_hparams(const std::string& path);

}  // namespace emend
