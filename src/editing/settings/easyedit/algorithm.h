#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "editing/settings/easyedit/hparams.h"

// How the keys of EasyEdit's files become settings: one table of keys an algorithm.
namespace emend::easyedit {

// A file on its way to an editor's settings.
struct File {
  std::string path;
  nlohmann::json values;
  nlohmann::json settings = nlohmann::json::object();  // of edits
  nlohmann::json training = nullptr;                   // of `emend train`
  std::vector<Hparams::Ignored> ignored = {};
  std::vector<std::string> trains = {};  // keys that only training reads

  // Throws emend::Error that says what the key must be.
  [[noreturn]] void wrong(const std::string& key, const std::string& wanted) const;
  std::string text(const std::string& key) const;
};

// What becomes of a key: read into the settings, or ignored for a reason.
struct Key {
  std::string name;
  std::function<void(File&, const nlohmann::json&)> use;
  std::string ignored;
};

struct Algorithm {
  std::string name;         // alg_name
  std::string editor;       // ours
  nlohmann::json defaults;  // what the algorithm does without a key to say so
  std::vector<Key> keys;
  std::function<void(File&)> finish;                          // what several keys say together
  std::function<void(const nlohmann::json&)> check_training;  // throws where it makes no sense
};

Key ignore(const std::string& name, const std::string& reason);
// A sentence encoder's folder, where it is here; ignored for the reason where it is not.
Key encoder(const std::string& name, const std::string& reason,
            const std::function<void(File&, const std::string& folder)>& use);
Key copy(const std::string& name, const std::string& setting);
// Read by `finish`, with others.
Key later(const std::string& name);
std::vector<Key> operator+(std::vector<Key> keys, const std::vector<Key>& more);

// What a file's inner_params say: the layers whose weights are edited, as a glob, and the module
// that they are in (language, vision, projection or tower). A bias is named as ignored.
struct InnerParams {
  std::string sites, module;
};
InnerParams inner_params(File& file);
// Keys of the files of models with pictures that no algorithm reads here: where the model and its
// parts lie, what is logged, and so on.
std::vector<Key> multimodal_keys();

// EasyEdit's BLIP-2 and MiniGPT-4 come from LAVIS, and its LLaVA from the first release; both name
// the parts otherwise.
std::string hugging_face_name(std::string name);
// A layer's name from its weight's.
std::string without_weight(std::string name);

// hparams_tuned.cpp: FT and LoRA.
Algorithm ft();
Algorithm lora();
// hparams_trained.cpp: the files of hparams/MEND and hparams/TRAINING/MEND; the same of KE, and of
// SERAC, whose name in them is SERAC, or SERAC_MULTI for models with pictures.
Algorithm mend();
Algorithm ke();
Algorithm serac(const std::string& name);
Algorithm ike();  // hparams_ike.cpp

}  // namespace emend::easyedit
