#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace emend {

// Whether a text is an existing day, YYYY-MM-DD.
bool is_date(const std::string& text);

// A model's chat template: a subset of Jinja (src/text/jinja/README.md), with the results of
// transformers' apply_chat_template. A template that uses anything else is refused with the
// construct and its line. Time and memory are limited for every template.
class ChatTemplate {
 public:
  // `name` is used in errors. `date`, YYYY-MM-DD: the value of strftime_now, at midnight; empty:
  // the time of this call.
  static ChatTemplate parse(std::string_view text, const std::string& name = "chat template",
                            const std::string& date = {});

  // The chat template of a Hugging Face folder: chat_template.jinja, chat_template.json, or the one
  // in tokenizer_config.json ("default" if there are several). Nullopt if the folder has none.
  static std::optional<ChatTemplate> load(const std::string& folder, const std::string& date = {});

  // Whether the template uses the current date, so that its output may change from day to day.
  bool uses_date() const;

  // messages: [{"role": ..., "content": a string, or [{"type": "image"}, {"type": "text", ...}]}].
  // variables: {"add_generation_prompt": true, "bos_token": "<s>", ...}. They override the
  // defaults: no tools, no documents, no generation prompt, and the special tokens of the folder.
  // Throws emend::Error with the line if an operation fails, and with the template's own message if
  // it calls raise_exception.
  std::string render(
      const nlohmann::ordered_json& messages,
      const nlohmann::ordered_json& variables = nlohmann::ordered_json::object()) const;

 private:
  ChatTemplate() = default;

  struct Parsed;
  std::shared_ptr<const Parsed> parsed_;
  nlohmann::ordered_json special_tokens_ = nlohmann::ordered_json::object();
};

}  // namespace emend
