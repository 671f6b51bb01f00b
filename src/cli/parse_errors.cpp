#include "cli/parse_errors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

namespace emend::cli {
namespace {

// The innermost command on the command line, and its name: "emend patch merge".
struct UsedCommand {
  const CLI::App* app;
  std::string name = "emend";
};

UsedCommand used_command(const CLI::App& program) {
  UsedCommand used{&program};
  for (auto inner = used.app->get_subcommands(); !inner.empty();
       inner = used.app->get_subcommands()) {
    used.app = inner.front();
    used.name += " " + used.app->get_name();
  }
  return used;
}

// The first example in the help text, without its comment; empty if there is none.
std::string example_of(const UsedCommand& used) {
  std::istringstream lines(used.app->get_footer());
  std::string example;
  for (std::string line; std::getline(lines, line);) {
    if (example.empty() && !line.starts_with("  " + used.name + " ")) continue;
    const auto begin = std::min(line.find_first_not_of(' '), line.size());
    line.erase(0, begin);
    example += line.substr(0, line.find("    "));
    if (!example.ends_with('\\')) return example;
    example.pop_back();
  }
  return example;
}

bool take_suffix(std::string& text, const std::string& suffix) {
  if (!text.ends_with(suffix)) return false;
  text.resize(text.size() - suffix.size());
  return true;
}

// Splits "A excludes B" at the word.
bool split(const std::string& text, const std::string& word, std::string& first,
           std::string& second) {
  const auto at = text.find(word);
  if (at == std::string::npos) return false;
  first = text.substr(0, at);
  second = text.substr(at + word.size());
  return true;
}

Error missing(const UsedCommand& used, const std::string& name) {
  if (name == "A subcommand") {
    std::vector<std::string> commands;
    for (const auto* command : used.app->get_subcommands(nullptr))
      commands.push_back(used.name + " " + command->get_name());
    return {"cli::arguments", fmt::format("'{}' needs a command", used.name),
            fmt::format("type one of: {}", fmt::join(commands, ", "))};
  }
  const auto* option = used.app->get_option_no_throw(name);
  const auto meaning = option ? fmt::format(" ({})", option->get_description()) : std::string();
  const auto example = example_of(used);
  const auto hint = example.empty() ? fmt::format("see {} --help", used.name)
                                    : fmt::format("for example: {}", example);
  return {"cli::arguments",
          name.starts_with('-') ? fmt::format("the option {}{} is missing", name, meaning)
                                : fmt::format("the argument '{}'{} is missing", name, meaning),
          hint};
}

}  // namespace

Error explained(const CLI::App& program, const CLI::ParseError& error) {
  const auto used = used_command(program);
  const auto kind = error.get_name();
  const auto help = fmt::format("see {} --help", used.name);
  const auto say = [](const std::string& problem, const std::string& hint) {
    return Error("cli::arguments", problem, hint);
  };
  std::string text = error.what(), first, second;
  if (kind == "RequiredError" && take_suffix(text, " is required")) return missing(used, text);
  if (kind == "ExcludesError" && split(text, " excludes ", first, second))
    return say(fmt::format("{} and {} cannot be used together", first, second),
               "remove one of them");
  if (kind == "RequiresError" && split(text, " requires ", first, second))
    return say(fmt::format("{} needs {}", first, second),
               fmt::format("add {}, or remove {}", second, first));
  // CLI11 names this error after the command.
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError)) {
    const auto extras = program.remaining(/*recurse=*/true);
    const auto& extra = extras.empty() ? text : extras.front();
    if (extra.starts_with('-'))
      return say(fmt::format("unknown option '{}'", extra),
                 fmt::format("{} --help lists all options", used.name));
    return say(fmt::format("'{}' is not an argument of `{}`", fmt::join(extras, " "), used.name),
               "put a text that contains spaces into quotation marks; " + help);
  }
  if (kind == "ArgumentMismatch" &&
      split(text, ": At Most 1 required but received ", first, second))
    return say(fmt::format("{} is given {} times", first, second), "give it once");
  if (kind == "ArgumentMismatch" && split(text, ": At least ", first, second))
    return say(
        fmt::format("'{}' needs at least {} values", first, second.substr(0, second.find(' '))),
        fmt::format("for example: {}", example_of(used)));
  if (kind == "ArgumentMismatch" && split(text, ": 1 required ", first, second))
    return say(fmt::format("{} needs a value", first),
               fmt::format("write the value after {}; {}", first, help));
  if ((kind == "ArgumentMismatch" && take_suffix(text, " was given a disallowed flag override")) ||
      (kind == "ConversionError" && take_suffix(text, ": Should be true/false or a number")))
    return say(fmt::format("{} takes no value", text), "write only the name of the option");
  if (kind == "ConversionError" && split(text, "Could not convert: ", first, second) &&
      split(std::string(second), " = ", first, second)) {
    const auto* option = used.app->get_option_no_throw(first);
    if (option && option->get_expected_max() == 0)
      return say(fmt::format("{} takes no value", first), "write only the name of the option");
    return say(fmt::format("{} cannot be '{}'", first, second), help);
  }
  // Our validators: "--limit must be between 0 and 100".
  if (const auto colon = text.find(": must "); colon != std::string::npos) text.erase(colon, 1);
  return say(text, help);
}

}  // namespace emend::cli
