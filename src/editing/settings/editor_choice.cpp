#include "editing/settings/editor_choice.h"

#include <fmt/format.h>

#include "editing/registry.h"
#include "editing/settings/easyedit/hparams.h"
#include "editing/settings/settings_file.h"
#include "io/error.h"

namespace emend {

EditorSpec chosen_editor(const EditorChoice& choice) {
  std::vector<EditorSpec> chosen;
  if (!choice.hparams.empty()) {
    chosen = {read_hparams(choice.hparams).spec};
  } else {
    const auto module = choice.module.empty() ? "" : ":" + choice.module;
    if (!module.empty() && choice.editor.find(':') != std::string::npos)
      throw Error("editing::editor_choice",
                  fmt::format("--editor {} already names a module, so --module {} is not valid",
                              choice.editor, choice.module),
                  "remove one of them");
    chosen = parse_editors(choice.editor + module);
  }
  if (chosen.size() != 1)
    throw Error("editing::editor_choice",
                fmt::format("--editor '{}' names several editors", choice.editor),
                "choose one; `emend bench` compares several");
  auto& spec = chosen.front();
  if (!spec.settings.contains("seed") && editor_info(spec.name).has_setting("seed"))
    spec.settings["seed"] = choice.seed;
  if (!choice.settings_file.empty())
    apply_settings(chosen, read_settings_file(choice.settings_file));
  if (!choice.sites.empty()) spec.settings["sites"] = choice.sites;
  apply_pairs(chosen, choice.settings);
  return spec;
}

}  // namespace emend
