#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/settings/settings.h"

namespace emend {

// The description of an editor, which the editor's source file declares.
struct EditorInfo {
  std::string name;     // for example ft
  std::string summary;  // one line
  std::vector<SettingInfo> settings;
  std::function<std::unique_ptr<Editor>(const nlohmann::json&)> make;
  // Makes the interventions of a patch's memory; empty for editors whose patches have no memory.
  std::function<Interventions(const Vlm&, const Patch&, ActivationStore*)> recall = {};
  // How the defaults differ from the paper of the editor, one sentence for each difference.
  std::vector<std::string> departures = {};

  bool has_setting(const std::string& setting) const;
};

std::vector<EditorInfo> editor_infos();
// Throws emend::Error if there is no editor of this name.
EditorInfo editor_info(const std::string& name);

// The interventions of a patch's memory, made by the patch's editor; see Patch::interventions.
// Throws emend::Error if patches of the editor have no memory.
Interventions recall(const Vlm& vlm, const Patch& patch, ActivationStore* store);

}  // namespace emend
