#include "editing/settings/sweep.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "editing/settings/settings_file.h"
#include "io/error.h"
#include "io/strings/blank.h"

namespace emend {
namespace {

[[noreturn]] void refuse_sweep(const std::string& problem, const std::string& hint) {
  throw Error("editing::sweep", problem, hint);
}

std::vector<std::string> sweep_values(const std::string& list, const std::string& sweep) {
  const char separator = list.find(';') == std::string::npos ? ',' : ';';
  std::vector<std::string> values;
  for (size_t begin = 0; begin <= list.size();) {
    const auto end = std::min(list.find(separator, begin), list.size());
    values.push_back(trimmed(list.substr(begin, end - begin), " \t"));
    begin = end + 1;
    const auto& value = values.back();
    if (value.empty())
      refuse_sweep(fmt::format("a value of --sweep '{}' is empty", sweep),
                   fmt::format("write one value between two '{}'", separator));
    if (std::count(values.begin(), values.end(), value) > 1)
      refuse_sweep(fmt::format("--sweep '{}' has the value '{}' twice", sweep, value),
                   "give each value once");
  }
  if (values.size() < 2)
    refuse_sweep(fmt::format("--sweep '{}' has only one value", sweep),
                 "give several values; --set sets one value. Values that are lists themselves are "
                 "separated by ';', as in memit.layers=0,1;2,3");
  return values;
}

// The index of the editor that the sweep selects: that of its label, or else the one of its name.
size_t swept_editor(const std::vector<EditorSpec>& specs, const Sweep& sweep) {
  std::vector<size_t> selected;
  std::vector<std::string> labels;
  for (size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].label == sweep.editor) return i;
    if (!selects_editor(sweep.editor, specs[i])) continue;
    selected.push_back(i);
    labels.push_back(specs[i].label);
  }
  if (selected.empty())
    refuse_sweep(fmt::format("the sweep of '{}' is for editor '{}', which is not selected",
                             sweep.setting, sweep.editor),
                 "add the editor to --editors, or use the name or the label of a selected editor");
  if (selected.size() > 1)
    refuse_sweep(
        fmt::format("the sweep of '{}' is for '{}', which selects several editors: {}",
                    sweep.setting, sweep.editor, fmt::join(labels, ", ")),
        fmt::format("use the label of one editor: {}.{}=...", labels.front(), sweep.setting));
  return selected.front();
}

}  // namespace

Sweep parse_sweep(const std::string& text) {
  const auto equals = text.find('=');
  const auto dot = equals == std::string::npos ? equals : text.substr(0, equals).rfind('.');
  if (dot == std::string::npos || dot == 0 || dot + 1 == equals)
    refuse_sweep(fmt::format("--sweep expects EDITOR.SETTING=VALUE,VALUE,..., got '{}'", text),
                 "for example --sweep rome.layers=0,1,2");
  return {text.substr(0, dot), text.substr(dot + 1, equals - dot - 1),
          sweep_values(text.substr(equals + 1), text)};
}

std::string sweep_label(const Sweep& sweep, const std::string& value) {
  return fmt::format("{} {}={}", sweep.editor, sweep.setting, value);
}

void apply_sweep(std::vector<EditorSpec>& specs, Sweep& sweep) {
  const auto place = swept_editor(specs, sweep);
  sweep.editor = specs[place].label;
  std::vector<EditorSpec> swept;
  for (const auto& value : sweep.values) {
    std::vector<EditorSpec> one = {specs[place]};
    apply_pairs(one, {sweep.setting + "=" + value});
    one.front().label = sweep_label(sweep, value);
    swept.push_back(std::move(one.front()));
  }
  const auto at = specs.erase(specs.begin() + static_cast<std::ptrdiff_t>(place));
  specs.insert(at, swept.begin(), swept.end());
}

}  // namespace emend
