#pragma once

#include <string>
#include <vector>

#include "editing/editor.h"

namespace emend {

// Several values of one setting of an editor, which a benchmark compares: `rome.layers=0,1,2`.
struct Sweep {
  std::string editor;               // a name (rome) or a label (ft:connector)
  std::string setting;              // for example layers
  std::vector<std::string> values;  // at least two different texts
};

// Parses EDITOR.SETTING=VALUE,VALUE,... If the list has a `;`, values are separated by `;` instead,
// so that a value can be a list: `memit.layers=0,1;2,3`. Spaces around values are removed. Throws
// emend::Error if the format is wrong, a value is empty or occurs twice, or there is only one
// value.
Sweep parse_sweep(const std::string& text);

// The label of the editor with one value of the setting: `rome layers=0`.
std::string sweep_label(const Sweep& sweep, const std::string& value);

// Replaces the editor of the sweep by one editor for each value, in its place; other settings stay,
// and sweep.editor becomes the editor's label. Values are read as by apply_pairs. Throws
// emend::Error if the sweep selects none or several of the editors, or the editor has no such
// setting or value.
void apply_sweep(std::vector<EditorSpec>& specs, Sweep& sweep);

}  // namespace emend
