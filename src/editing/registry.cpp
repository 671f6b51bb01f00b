#include "editing/registry.h"

#include <fmt/format.h>

#include <algorithm>

#include "editing/editors/editors.h"
#include "editing/targets/target_modules.h"
#include "io/error.h"
#include "io/strings/blank.h"
#include "io/strings/comma_list.h"

namespace emend {

bool EditorInfo::has_setting(const std::string& setting) const {
  return std::any_of(settings.begin(), settings.end(),
                     [&](const SettingInfo& info) { return info.name == setting; });
}

std::vector<EditorInfo> editor_infos() {
  return {ft_editor(),    lora_editor(),          ike_editor(),       ke_editor(),
          mend_editor(),  mend_iterated_editor(), serac_editor(),     rome_editor(),
          memit_editor(), alphaedit_editor(),     ultraedit_editor(), grace_editor(),
          wise_editor(),  liveedit_editor(),      ledger_editor()};
}

std::vector<std::string> editor_names() {
  std::vector<std::string> names;
  for (const auto& info : editor_infos()) names.push_back(info.name);
  return names;
}

std::vector<std::string> trainable_editor_names() {
  std::vector<std::string> names;
  for (const auto& info : editor_infos())
    if (info.make_trainable) names.push_back(info.name);
  return names;
}

EditorInfo editor_info(const std::string& name) {
  for (auto& info : editor_infos())
    if (info.name == name) return info;
  throw Error("editing::registry", fmt::format("unknown editor '{}'", name.substr(0, 200)),
              fmt::format("available editors: {}; `emend editors` explains them",
                          fmt::join(editor_names(), ", ")));
}

nlohmann::json to_json(const EditorInfo& info) {
  const auto list = [](const std::vector<SettingInfo>& settings) {
    auto all = nlohmann::json::array();
    for (const auto& setting : settings)
      all.push_back({{"name", setting.name},
                     {"default", setting.value},
                     {"range", setting.range},
                     {"meaning", setting.meaning}});
    return all;
  };
  return {{"name", info.name},
          {"summary", info.summary},
          {"settings", list(info.settings)},
          {"training_settings", list(info.training_settings)},
          {"departures", info.departures}};
}

Interventions recall(const Vlm& vlm, const Patch& patch, ActivationStore* store) {
  const auto info = editor_info(patch.editor);
  if (!info.recall)
    throw Error("editing::registry",
                fmt::format("a patch of '{}' has a memory, which this editor does not support",
                            patch.editor),
                "make the patch again with `emend edit`, or use a newer emend");
  return info.recall(vlm, patch, store);
}

std::unique_ptr<Editor> make_editor(const std::string& name, const nlohmann::json& settings) {
  return editor_info(name).make(settings);
}

namespace {

EditorSpec parse_editor(const std::string& label) {
  if (label.empty())
    throw Error("editing::registry", "the name of an editor is empty",
                "separate editors by commas: ft:language,ft:connector,lora");
  EditorSpec spec;
  spec.label = label;
  auto colon = label.find(':');
  spec.name = label.substr(0, colon);
  spec.settings = nlohmann::json::object();
  const auto info = editor_info(spec.name);
  if (colon != std::string::npos) {
    if (!info.has_setting("module"))
      throw Error("editing::registry",
                  fmt::format("editor '{}' has no modules, so '{}' is not valid", spec.name, label),
                  fmt::format("use {}", spec.name));
    spec.settings["module"] = label.substr(colon + 1);
  }
  info.make(spec.settings);  // throws if the module or a setting is invalid
  return spec;
}

}  // namespace

std::vector<EditorSpec> parse_editors(const std::string& list) {
  std::vector<EditorSpec> specs;
  for (const auto& name : comma_list(list)) {
    auto spec = parse_editor(trimmed(name, " \t"));
    for (const auto& other : specs)
      if (canonical_label(other.label) == canonical_label(spec.label))
        throw Error("editing::registry",
                    other.label == spec.label
                        ? fmt::format("editor '{}' is listed twice", spec.label)
                        : fmt::format("'{}' and '{}' are the same editor, {}", other.label,
                                      spec.label, canonical_label(spec.label)),
                    "list each editor once");
    specs.push_back(std::move(spec));
  }
  return specs;
}

}  // namespace emend
