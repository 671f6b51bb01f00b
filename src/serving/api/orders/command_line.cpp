#include "serving/api/orders/command_line.h"

#include "io/strings/shell.h"

namespace emend {
namespace {

// A word that a shell reads as it is stays without quotes.
std::string shell_word(const std::string& text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:,+@%";
  const bool plain = !text.empty() && text.find_first_not_of(kPlain) == std::string::npos;
  return plain ? text : shell_quoted(text);
}

}  // namespace

CommandLine::CommandLine(const std::string& command, const std::vector<std::string>& arguments)
    : text_("emend " + command) {
  for (const auto& argument : arguments) text_ += " " + shell_word(argument);
}

CommandLine& CommandLine::option(const char* name, const std::string& value) {
  // A value that begins with a dash would be read as an option.
  const bool dash = value.starts_with('-') && std::string_view(name).starts_with("--");
  text_ += std::string(" ") + name + (dash ? "=" : " ") + shell_word(value);
  return *this;
}

CommandLine& CommandLine::option_if_given(const char* name, const std::string& value) {
  return value.empty() ? *this : option(name, value);
}

CommandLine& CommandLine::options(const char* name, const std::vector<std::string>& values) {
  for (const auto& value : values) option(name, value);
  return *this;
}

CommandLine& CommandLine::flag(const char* name) {
  text_ += std::string(" ") + name;
  return *this;
}

}  // namespace emend
