#include "text/chat_template.h"

#include <fmt/format.h>

#include <ctime>
#include <filesystem>
#include <vector>

#include "io/error.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/parsing/parser.h"
#include "text/loading/chat_template_text.h"
#include "text/loading/folder_tokens.h"
#include "text/loading/spec.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void raise(const std::string& name, const text::jinja::Failure& failure) {
  throw Error("text::chat_template", fmt::format("{}: {}", name, failure.what()),
              failure.hint.empty() ? "correct the template, or do not use it (--no-chat-template)"
                                   : failure.hint);
}

bool read_date(const std::string& date, std::tm& time) {
  const char* end = ::strptime(date.c_str(), "%Y-%m-%d", &time);
  const auto given = time;
  // Normalizes days that do not exist into the next month, and computes the day of the week.
  return end && *end == '\0' && ::timegm(&time) != -1 && time.tm_mday == given.tm_mday;
}

std::tm time_of(const std::string& date) {
  std::tm time{};
  if (date.empty()) {
    const auto now = std::time(nullptr);
    ::localtime_r(&now, &time);
    return time;
  }
  if (!read_date(date, time))
    throw Error("text::chat_template", fmt::format("'{}' is not a valid date", date),
                "use the form YYYY-MM-DD, for example 2024-07-26");
  return time;
}

std::string content(const nlohmann::json& token) {
  return token.is_string() ? token.get<std::string>()
                           : text::spec_string(token, "content", text::kTokenizerConfig);
}

// bos_token and the other special tokens, as templates use them.
nlohmann::ordered_json template_tokens(const fs::path& folder, const nlohmann::json& config) {
  const auto named = text::read_folder_tokens(folder, config, nlohmann::json::object()).named;
  auto found = nlohmann::ordered_json::object();
  for (const auto& [role, token] : named.items()) {
    if (token.is_null() || token.empty()) continue;
    if (token.is_array()) {
      for (const auto& one : token) found[role].push_back(content(one));
    } else if (role == "extra_special_tokens") {
      for (const auto& [own, one] : token.items()) found[own] = content(one);
    } else {
      found[role] = content(token);
    }
  }
  return found;
}

}  // namespace

struct ChatTemplate::Parsed {
  std::string name;
  std::vector<text::jinja::Statement> statements;
  bool uses_date;
  std::tm now;
};

ChatTemplate ChatTemplate::parse(std::string_view text, const std::string& name,
                                 const std::string& date) {
  ChatTemplate made;
  const auto now = time_of(date);
  try {
    const bool uses_date = text.find("strftime_now") != std::string_view::npos;
    made.parsed_ =
        std::make_shared<const Parsed>(Parsed{name, text::jinja::parse(text), uses_date, now});
  } catch (const text::jinja::Failure& failure) {
    raise(name, failure);
  }
  return made;
}

bool is_date(const std::string& text) {
  std::tm time{};
  return read_date(text, time);
}

bool ChatTemplate::uses_date() const { return parsed_->uses_date; }

std::optional<ChatTemplate> ChatTemplate::load(const std::string& folder, const std::string& date) {
  const auto config = text::read_tokenizer_config(folder);
  const auto source = text::read_chat_template(folder, config);
  if (!source) return std::nullopt;
  ChatTemplate made = parse(source->text, source->place, date);
  made.special_tokens_ = template_tokens(folder, config);
  return made;
}

std::string ChatTemplate::render(const nlohmann::ordered_json& messages,
                                 const nlohmann::ordered_json& variables) const {
  auto all = special_tokens_;
  all.update({{"tools", nullptr}, {"documents", nullptr}, {"add_generation_prompt", false}});
  try {
    if (!messages.is_array()) text::jinja::fail("the messages should be a list");
    if (!variables.is_object()) text::jinja::fail("the variables should be an object");
    all.update(variables);
    all["messages"] = messages;
    std::vector<std::pair<std::string, text::jinja::Value>> values;
    for (const auto& [name, value] : all.items())
      values.emplace_back(name, text::jinja::Value::from_json(value));
    return text::jinja::render(parsed_->statements, values, parsed_->now);
  } catch (const text::jinja::Failure& failure) {
    raise(parsed_->name, failure);
  }
}

}  // namespace emend
