#include "editing/settings/settings_file.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>

#include "editing/registry.h"
#include "editing/targets/target_modules.h"
#include "io/error.h"
#include "io/json/json.h"
#include "io/json/yaml.h"

namespace emend {
namespace {

using nlohmann::json;

// Refuses two entries for one editor under two names of its module: the order would decide.
void check_entries(const std::string& path, const json& file) {
  std::map<std::string, std::string> keys;
  for (const auto& [key, settings] : file.items()) {
    const auto [known, is_new] = keys.emplace(canonical_label(key), key);
    if (!is_new)
      throw Error("editing::settings_file",
                  fmt::format("'{}' has settings for '{}' and for '{}', which are the same editor",
                              path, known->second, key),
                  fmt::format("merge them into one entry, {}", known->first));
  }
}

bool same_module(const json& a, const json& b) {
  return a == b ||
         (a.is_string() && b.is_string() &&
          canonical_module(a.get<std::string>()) == canonical_module(b.get<std::string>()));
}

void set(EditorSpec& spec, const json& settings) {
  for (const auto& [name, value] : settings.items()) {
    if (name == "module" && spec.label.find(':') != std::string::npos &&
        spec.settings.contains(name) && !same_module(spec.settings[name], value))
      throw Error(
          "editing::settings",
          fmt::format("the setting 'module' of '{}' is {}, which contradicts its label", spec.label,
                      value.dump(-1, ' ', false, json::error_handler_t::replace)),
          "remove the setting: the label of the editor selects the module");
    spec.settings[name] = value;
  }
}

// Throws emend::Error if a setting of the editor is invalid.
void check(const EditorSpec& spec) { make_editor(spec.name, spec.settings); }

// Runs `action` and adds the file and the editor to its errors.
template <class Action>
void naming(const std::string& path, const std::string& editor, const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    throw Error("editing::settings_file", fmt::format("'{}', '{}': {}", path, editor.substr(0, 100),
                                                      without_places(error.what())));
  }
}

}  // namespace

bool selects_editor(const std::string& key, const EditorSpec& spec) {
  return key == spec.name || canonical_label(key) == canonical_label(spec.label);
}

json read_settings_file(const std::string& path) {
  const bool is_json = std::filesystem::path(path).extension() == ".json";
  auto file = is_json ? read_json(path) : read_yaml(path);
  if (!file.is_object() || file.empty())
    throw Error("editing::settings_file", fmt::format("'{}' has no settings of editors", path),
                "write `ft:` and below it, indented, lines such as `steps: 15`");
  check_entries(path, file);
  for (const auto& [editor, settings] : file.items())
    naming(path, editor, [&, &editor = editor, &settings = settings] {
      auto spec = parse_editors(editor);
      if (spec.size() != 1)
        throw Error("editing::settings_file", "several editors share an entry",
                    "write one entry for each editor");
      if (!settings.is_object() && !settings.is_null())
        throw Error("editing::settings_file", "the editor has no settings",
                    "indent the settings below the name of the editor");
      set(spec[0], settings);
      check(spec[0]);
    });
  return file;
}

void apply_settings(std::vector<EditorSpec>& specs, const json& file) {
  for (auto& spec : specs) {
    // Settings of the editor with a module override those of the editor.
    if (file.contains(spec.name)) set(spec, file.at(spec.name));
    for (const auto& [key, settings] : file.items())
      if (key != spec.name && selects_editor(key, spec)) set(spec, settings);
    check(spec);
  }
}

nlohmann::json editor_settings(const std::vector<std::string>& pairs) {
  auto settings = nlohmann::json::object();
  for (const auto& pair : pairs) {
    auto equals = pair.find('=');
    if (equals == 0 || equals == std::string::npos)
      throw Error("editing::settings", fmt::format("--set expects NAME=VALUE, got '{}'", pair),
                  "for example --set steps=20");
    auto value = nlohmann::json::parse(pair.substr(equals + 1), nullptr, false);
    bool scalar = value.is_number() || value.is_boolean();
    settings[pair.substr(0, equals)] = scalar ? value : nlohmann::json(pair.substr(equals + 1));
  }
  return settings;
}

void apply_pairs(std::vector<EditorSpec>& specs, const std::vector<std::string>& pairs) {
  for (const auto& pair : pairs) {
    auto equals = pair.find('=');
    if (equals == 0 || equals == std::string::npos)
      throw Error("editing::settings", fmt::format("--set expects NAME=VALUE, got '{}'", pair),
                  "for example --set steps=20, or --set ft:connector.steps=20 for one editor");
    auto name = pair.substr(0, equals);
    std::string editor;
    if (auto dot = name.rfind('.'); dot != std::string::npos) {
      editor = name.substr(0, dot);
      name = name.substr(dot + 1);
    }
    auto text = pair.substr(equals + 1);
    auto value = json::parse(text, nullptr, false);
    bool scalar = value.is_number() || value.is_boolean();
    bool used = false;
    for (auto& spec : specs) {
      if (!editor.empty() && !selects_editor(editor, spec)) continue;
      set(spec, {{name, scalar ? value : json(text)}});
      used = true;
    }
    if (!used)
      throw Error("editing::settings",
                  fmt::format("--set '{}' is for editor '{}', which is not selected", pair, editor),
                  "use the name or the label of a selected editor");
  }
  for (const auto& spec : specs) check(spec);
}

}  // namespace emend
