#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "editing/editor.h"
#include "editing/settings/settings.h"

namespace emend {

// An editor as it declares itself, in its own file.
struct EditorKind {
  std::string name;     // ft
  std::string summary;  // one line
  std::vector<SettingInfo> settings;
  std::function<std::unique_ptr<Editor>(const nlohmann::json&)> make;
  // What a patch with a memory attaches beside weights; none for editors whose patches have none.
  std::function<Interventions(const Vlm&, const Patch&, ActivationStore*)> recall = {};
  // Where the defaults depart from the paper that the editor is named after, one sentence each.
  std::vector<std::string> departures = {};

  bool has_setting(const std::string& setting) const;
};

std::vector<EditorKind> editor_kinds();
// Throws emend::Error when there is none of this name.
EditorKind editor_kind(const std::string& name);

// By the patch's editor; see Patch::interventions. Throws emend::Error for an editor whose patches
// have no memory.
Interventions recall(const Vlm& vlm, const Patch& patch, ActivationStore* store);

}  // namespace emend
