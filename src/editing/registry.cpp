#include <fmt/format.h>

#include "editing/editor.h"
#include "editing/editors/ft.h"
#include "io/error.h"

namespace emend {

std::vector<std::string> editor_names() { return {"ft"}; }

std::unique_ptr<Editor> make_editor(const std::string& name, const nlohmann::json& settings) {
  if (name == "ft") return std::make_unique<FtEditor>(settings);
  throw Error("editing::registry", fmt::format("there is no editor '{}'", name),
              fmt::format("there are: {}", fmt::join(editor_names(), ", ")));
}

std::vector<EditorSpec> parse_editors(const std::string& list) {
  std::vector<EditorSpec> specs;
  for (size_t begin = 0; begin <= list.size();) {
    auto end = std::min(list.find(',', begin), list.size());
    EditorSpec spec;
    spec.label = list.substr(begin, end - begin);
    begin = end + 1;
    auto colon = spec.label.find(':');
    spec.name = spec.label.substr(0, colon);
    spec.settings = nlohmann::json::object();
    if (colon != std::string::npos) spec.settings["module"] = spec.label.substr(colon + 1);
    make_editor(spec.name, spec.settings);
    for (const auto& other : specs)
      if (other.label == spec.label)
        throw Error("editing::registry", fmt::format("editor '{}' is named twice", spec.label));
    specs.push_back(std::move(spec));
  }
  return specs;
}

}  // namespace emend
