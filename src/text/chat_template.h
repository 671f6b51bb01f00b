#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace emend {

// A model's chat template: a subset of Jinja, run as transformers' apply_chat_template runs it
// (src/text/jinja/README.md says which). Templates that go beyond it are refused, naming what and
// where; none crashes, or takes more than a bounded time and memory.
class ChatTemplate {
 public:
  // `name` is named in errors. `date`, YYYY-MM-DD: what strftime_now tells, at midnight; empty: the
  // time at which the template is read.
  static ChatTemplate parse(std::string_view text, const std::string& name = "chat template",
                            const std::string& date = {});

  // Of a folder as Hugging Face saves it: chat_template.jinja, or chat_template.json, or what
  // tokenizer_config.json has ("default", when it has several). Nullopt: it has none.
  static std::optional<ChatTemplate> load(const std::string& folder, const std::string& date = {});

  // Whether it asks for the date, so that what it makes may differ from day to day.
  bool uses_date() const;

  // messages: [{"role": ..., "content": a string, or [{"type": "image"}, {"type": "text", ...}]}].
  // variables: {"add_generation_prompt": true, "bos_token": "<s>", ...}, over those that every
  // template has: no tools, no documents, no generation prompt, and the special tokens that `load`
  // found in the folder. Throws emend::Error with the line for what the template cannot do, and
  // with the template's own words when it refuses the messages.
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
