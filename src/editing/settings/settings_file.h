#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "editing/editor.h"

namespace emend {

// A file of settings, YAML or (ending .json) JSON: `{EDITOR: {SETTING: VALUE}}`, where EDITOR is a
// name (`ft`: every ft) or a label (`ft:vision`: that one). Read strictly: throws emend::Error
// naming file and editor for an unknown editor or setting, and values out of range.
nlohmann::json read_settings_file(const std::string& path);

// Sets what the file says of each editor, of its name first, then of its label. Entries for editors
// that are not among `specs` are no mistake: one file may serve several runs.
void apply_settings(std::vector<EditorSpec>& specs, const nlohmann::json& file);

// `NAME=VALUE` sets it in every editor, `EDITOR.NAME=VALUE` in those with this name or label. VALUE
// is text unless it is a number, true or false. Throws emend::Error for what is no such pair, an
// editor that is not there, or a setting that an editor has not.
void apply_pairs(std::vector<EditorSpec>& specs, const std::vector<std::string>& pairs);

}  // namespace emend
