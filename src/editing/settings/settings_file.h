#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "editing/editor.h"

namespace emend {

// Whether `key` is the name (`ft`: every ft) or the label (`ft:connector`) of the editor.
bool selects_editor(const std::string& key, const EditorSpec& spec);

// Reads a file of settings, YAML or (if the name ends in .json) JSON: `{EDITOR: {SETTING: VALUE}}`,
// where EDITOR is a name (`ft`: every ft) or a label (`ft:connector`: only that one). Throws
// emend::Error, which names file and editor, if an editor or a setting is unknown or a value is out
// of range.
nlohmann::json read_settings_file(const std::string& path);

// Applies the settings of the file to each editor: first those of its name, then those of its
// label. Entries for editors that are not among `specs` are ignored, because several runs can share
// a file.
void apply_settings(std::vector<EditorSpec>& specs, const nlohmann::json& file);

// Parses NAME=VALUE pairs. VALUE is JSON if it is a number, true or false, else text.
nlohmann::json editor_settings(const std::vector<std::string>& pairs);

// `NAME=VALUE` sets NAME for every editor, and `EDITOR.NAME=VALUE` for the editors with this name
// or label. VALUE is text unless it is a number, true or false. Throws emend::Error if the format
// is wrong, the editor is not selected, or it has no such setting.
void apply_pairs(std::vector<EditorSpec>& specs, const std::vector<std::string>& pairs);

}  // namespace emend
