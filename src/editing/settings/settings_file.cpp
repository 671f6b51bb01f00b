#include "editing/settings/settings_file.h"

#include <fmt/format.h>

#include <filesystem>

#include "editing/registry.h"
#include "io/error.h"
#include "io/json/json.h"
#include "io/json/yaml.h"

namespace emend {
namespace {

using nlohmann::json;

bool is_for(const std::string& key, const EditorSpec& spec) {
  return key == spec.name || key == spec.label;
}

void set(EditorSpec& spec, const json& settings) {
  for (const auto& [name, value] : settings.items()) {
    if (name == "module" && spec.label.find(':') != std::string::npos &&
        spec.settings.contains(name) && spec.settings[name] != value)
      throw Error("editing::settings",
                  fmt::format("the module of '{}' is set to {}", spec.label,
                              value.dump(-1, ' ', false, json::error_handler_t::replace)),
                  "leave the setting out: the editor's label names the module");
    spec.settings[name] = value;
  }
}

// Makes the editor and drops it: says what is wrong with its settings.
void check(const EditorSpec& spec) { make_editor(spec.name, spec.settings); }

// What `action` throws, with the file and the editor in front.
template <class Action>
void naming(const std::string& path, const std::string& editor, const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    std::string what = error.what();
    auto end = what.find("] ");
    throw Error("editing::settings_file",
                fmt::format("'{}', '{}': {}", path, editor.substr(0, 100),
                            end == std::string::npos ? what : what.substr(end + 2)));
  }
}

}  // namespace

json read_settings_file(const std::string& path) {
  const bool is_json = std::filesystem::path(path).extension() == ".json";
  auto file = is_json ? read_json(path) : read_yaml(path);
  if (!file.is_object() || file.empty())
    throw Error("editing::settings_file", fmt::format("'{}' holds no editor's settings", path),
                "write `ft:` and below it, indented, lines like `steps: 15`");
  for (const auto& [editor, settings] : file.items())
    naming(path, editor, [&, &editor = editor, &settings = settings] {
      auto spec = parse_editors(editor);
      if (spec.size() != 1)
        throw Error("editing::settings_file", "several editors share an entry",
                    "write an entry for each");
      if (!settings.is_object() && !settings.is_null())
        throw Error("editing::settings_file", "there are no settings below it",
                    "indent them below the editor's name");
      set(spec[0], settings);
      check(spec[0]);
    });
  return file;
}

void apply_settings(std::vector<EditorSpec>& specs, const json& file) {
  for (auto& spec : specs) {
    for (const auto& key : {spec.name, spec.label})
      if (file.contains(key)) set(spec, file.at(key));
    check(spec);
  }
}

void apply_pairs(std::vector<EditorSpec>& specs, const std::vector<std::string>& pairs) {
  for (const auto& pair : pairs) {
    auto equals = pair.find('=');
    if (equals == 0 || equals == std::string::npos)
      throw Error("editing::settings", fmt::format("--set '{}' is no NAME=VALUE", pair),
                  "for example --set steps=20, or --set ft:vision.steps=20 for one editor");
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
      if (!editor.empty() && !is_for(editor, spec)) continue;
      set(spec, {{name, scalar ? value : json(text)}});
      used = true;
    }
    if (!used)
      throw Error("editing::settings",
                  fmt::format("--set '{}' is for editor '{}', which is not used", pair, editor),
                  "name the editor as it was chosen");
  }
  for (const auto& spec : specs) check(spec);
}

}  // namespace emend
