#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/settings/settings.h"

namespace emend {

class TrainableEditor;

// The description of an editor, which the editor's source file declares. Everything that depends on
// the kind of an editor is decided here; no other file compares names of editors.
struct EditorInfo {
  std::string name;     // for example ft
  std::string summary;  // one line
  std::vector<SettingInfo> settings;
  std::function<std::unique_ptr<Editor>(const nlohmann::json&)> make;
  // Makes the interventions of a patch's memory; empty for editors whose patches have no memory.
  std::function<Interventions(const Vlm&, const Patch&, ActivationStore*)> recall = {};
  // How the defaults differ from the paper of the editor, one sentence for each difference.
  std::vector<std::string> departures = {};
  // Makes the networks for `emend train`, with the settings of training; empty: nothing to train.
  std::function<std::unique_ptr<TrainableEditor>(const Vlm&, const nlohmann::json&,
                                                 ActivationStore*)>
      make_trainable = {};
  // The settings of training, or of the collection of demonstrations; empty: nothing to train.
  std::vector<SettingInfo> training_settings = {};
  // Whether `emend train` collects demonstrations for the editor instead of training networks.
  bool collects_demonstrations = false;
  // Whether the editor rewrites prompts, for which EasyEdit judges localities differently.
  bool rewrites_prompts = false;
  // Describes the memory of a patch: `certificate`, and entries that are `superseded`.
  std::function<nlohmann::json(const Patch&)> memory_facts = {};
  // Which of the given settings have no effect next to the others, one sentence each; empty: not
  // known.
  std::function<std::vector<std::string>(const nlohmann::json& given)> without_effect = {};

  // Whether the editor edits questions about pictures only.
  bool needs_pictures = false;
  // Settings that have an effect only while an edit is made. Memories of patches that differ in
  // them become one memory.
  std::vector<std::string> edit_time_settings = {};
  // Settings that memories of earlier versions do not have, with values for the earlier behavior.
  nlohmann::json earlier_settings = nlohmann::json::object();

  bool has_setting(const std::string& setting) const;
};

// All editors. A new editor is added to the list in registry.cpp.
std::vector<EditorInfo> editor_infos();
// Names of editors that have networks to train.
std::vector<std::string> trainable_editor_names();
// Throws emend::Error if there is no editor of this name.
EditorInfo editor_info(const std::string& name);
// {"name", "summary", "settings": [{"name", "default", "range", "meaning"}], "training_settings",
// "departures"}
nlohmann::json to_json(const EditorInfo& info);

// The interventions of a patch's memory, made by the patch's editor; see Patch::interventions.
// Throws emend::Error if patches of the editor have no memory.
Interventions recall(const Vlm& vlm, const Patch& patch, ActivationStore* store);

}  // namespace emend
