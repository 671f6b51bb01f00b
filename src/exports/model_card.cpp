#include "exports/model_card.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "exports/folder_name.h"

namespace emend {
namespace {

constexpr size_t kMostListedEdits = 100;
constexpr size_t kMostCellBytes = 300;

// A text of a request as code in a cell of a table.
std::string cell(const nlohmann::json& request, const char* field) {
  if (!request.is_object() || !request.contains(field) || !request[field].is_string()) return "";
  auto text = request[field].get<std::string>();
  const auto begin = text.find_first_not_of(" \n");
  if (begin == std::string::npos) return "";
  text = text.substr(begin, kMostCellBytes);
  std::string code;
  for (const char c : text) {
    if (c == '|') code += '\\';
    code += c == '\n' || c == '\r' || c == '`' ? ' ' : c;
  }
  return "`" + code + "`";
}

// The base model's name on the hub, if config.json has one: OWNER/NAME.
std::string hub_name(const nlohmann::json& config) {
  if (!config.contains("_name_or_path") || !config["_name_or_path"].is_string()) return "";
  const auto name = config["_name_or_path"].get<std::string>();
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '/' || c == '-' || c == '_' || c == '.';
  });
  const bool owned = std::count(name.begin(), name.end(), '/') == 1;
  return plain && owned && std::isalnum(static_cast<unsigned char>(name[0])) ? name : "";
}

}  // namespace

std::string model_card(const std::string& name, const Vlm& vlm, const nlohmann::json& config,
                       const PatchStack& stack) {
  const auto hub = hub_name(config);
  std::string card = "---\nlibrary_name: transformers\n";
  if (!hub.empty()) card += fmt::format("base_model: {}\nbase_model_relation: finetune\n", hub);
  card += fmt::format(
      "tags:\n- emend\n- model-editing\n---\n\n# {}\n\n"
      "`{}` with edits in its weights. Tensors that the edits do not change are those of the base "
      "model.\n\n| prompt | answer after the edit | picture | editor |\n|---|---|---|---|\n",
      folder_name(name), hub.empty() ? folder_name(vlm.folder) : hub);
  size_t edits = 0;
  for (const auto& patch : stack.patches()) {
    const auto requests =
        patch.request.is_array() ? patch.request : nlohmann::json::array({patch.request});
    for (const auto& request : requests) {
      if (++edits > kMostListedEdits) continue;
      const bool pictured = !cell(request, "image").empty();
      card += fmt::format("| {} | {} | {} | `{}` |\n", cell(request, "prompt"),
                          cell(request, "target"), pictured ? "yes" : "no", patch.editor);
    }
  }
  if (edits > kMostListedEdits)
    card += fmt::format("\nand {} more edits.\n", edits - kMostListedEdits);
  card += fmt::format(
      "\nThe edits can also have changed answers to other questions. The description of the base "
      "model does not hold for this model and was not copied; its license does.\n\n"
      "Written by emend {}. Fingerprint of the base model: {}. Patches:",
      EMEND_VERSION, vlm.fingerprint());
  for (const auto& patch : stack.patches()) card += " " + patch.id;
  return card + ".\n";
}

}  // namespace emend
