#include "text/loading/chat_template_text.h"

#include <fmt/format.h>

#include "io/files/file.h"
#include "io/files/path.h"
#include "io/json/json.h"
#include "text/loading/folder_tokens.h"
#include "text/loading/spec.h"

namespace emend::text {
namespace {

// The template: a string, or the one named "default" in a list.
std::string chosen_template(const nlohmann::json& value, const std::string& file) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array())
    malformed(file, "'chat_template' should be a string or a list of named templates");
  std::string names;
  for (const auto& entry : value) {
    const auto name = spec_string(entry, "name", file);
    if (name == "default") return spec_string(entry, "template", file);
    names += (names.empty() ? "" : ", ") + name;
  }
  malformed(file, fmt::format("none of its chat templates ({}) is named 'default'", names));
}

}  // namespace

std::optional<ChatTemplateText> read_chat_template(const std::filesystem::path& folder,
                                                   const nlohmann::json& config) {
  if (const auto file = folder / "chat_template.jinja"; path_exists(file))
    return ChatTemplateText{read_file(file.string()), file.string()};
  if (const auto file = folder / "chat_template.json"; path_exists(file)) {
    const auto value = read_json(file.string());
    const auto& found = spec_field(value, "chat_template");
    return ChatTemplateText{chosen_template(found, file.string()), file.string()};
  }
  const auto& found = spec_field(config, "chat_template");
  if (found.is_null()) return std::nullopt;
  const auto file = (folder / kTokenizerConfig).string();
  return ChatTemplateText{chosen_template(found, file), file + ", chat_template"};
}

}  // namespace emend::text
