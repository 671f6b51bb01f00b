#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "editing/settings/easyedit/hparams.h"

// Conversion of EasyEdit's hyperparameter files: one table of keys for each algorithm.
namespace emend::easyedit {

// A file during its conversion to the settings of an editor.
struct File {
  std::string path;
  nlohmann::json values;
  nlohmann::json settings = nlohmann::json::object();  // for edits
  nlohmann::json training = nullptr;                   // for `emend train`
  std::vector<Hparams::Ignored> ignored = {};
  std::vector<std::string> trains = {};  // keys that only training uses

  // Throws emend::Error, which states what the value of the key must be.
  [[noreturn]] void wrong(const std::string& key, const std::string& wanted) const;
  std::string text(const std::string& key) const;
};

// How a key is converted: `use` writes settings, or the key is ignored for a reason.
struct Key {
  std::string name;
  std::function<void(File&, const nlohmann::json&)> use;
  std::string ignored;
};

// An algorithm of EasyEdit, and how the keys of its hyperparameter files become settings.
struct Algorithm {
  std::string name;         // alg_name
  std::string editor;       // emend's name
  nlohmann::json defaults;  // settings of the algorithm that its files do not have
  std::vector<Key> keys;
  // Converts keys that depend on each other.
  std::function<void(File&)> finish;
  // Throws if a training setting is invalid.
  std::function<void(const nlohmann::json&)> check_training;
};

Key ignore(const std::string& name, const std::string& reason);
// A key with the folder of a sentence encoder. The key is ignored if the folder does not exist.
Key encoder(const std::string& name, const std::string& reason,
            const std::function<void(File&, const std::string& folder)>& use);
Key copy(const std::string& name, const std::string& setting);
// A key of which emend implements only one value.
Key fixed(const std::string& name, const nlohmann::json& only, const std::string& reason);
// A key that `finish` converts.
Key later(const std::string& name);
std::vector<Key> operator+(std::vector<Key> keys, const std::vector<Key>& more);

// The key inner_params: the layers whose weights are edited, as a glob, and the module that has
// them (language, connector, projector or vision_tower). Biases are added to the ignored keys.
struct InnerParams {
  std::string sites, module;
};
InnerParams inner_params(File& file);
// Keys of files for vision-language models that no algorithm uses here, such as paths and logging.
std::vector<Key> multimodal_keys();

// Converts a layer's name. EasyEdit's BLIP-2 and MiniGPT-4 have LAVIS names, and its LLaVA has the
// names of the first release.
std::string hugging_face_name(std::string name);
// Converts the name of a weight to the name of its layer.
std::string without_weight(std::string name);

// The layer numbers of the key `layers` as part of a glob, for example for [21, 22] {21,22}; empty
// if there are none.
std::string layers_glob(const File& file);
// The weights that rewrite_module_tmp and layers select, as a glob.
std::string rewrite_sites(const File& file);

// tuned.cpp: FT and LoRA.
Algorithm ft();
Algorithm lora();
// trained.cpp: the files of hparams/MEND and hparams/TRAINING/MEND, and those of KE and SERAC. In
// files, SERAC has the name SERAC, or SERAC_MULTI for vision-language models.
Algorithm mend();
Algorithm ke();
Algorithm serac(const std::string& name);
Algorithm ike();  // ike.cpp
// located.cpp: the closed-form editors. ROME's other name is R-ROME.
Algorithm rome(const std::string& name);
Algorithm memit();
Algorithm alphaedit();
// lifelong.cpp: the editors for long sequences of edits.
Algorithm ultraedit();
Algorithm grace();
Algorithm wise();  // wise.cpp

}  // namespace emend::easyedit
