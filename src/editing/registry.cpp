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

}  // namespace emend
