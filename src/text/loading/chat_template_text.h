#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace emend::text {

// The chat template of a folder as it is written there: in chat_template.jinja, chat_template.json,
// or tokenizer_config.json (`config`), with the place for errors. Nullopt if there is none.
struct ChatTemplateText {
  std::string text, place;
};
std::optional<ChatTemplateText> read_chat_template(const std::filesystem::path& folder,
                                                   const nlohmann::json& config);

}  // namespace emend::text
