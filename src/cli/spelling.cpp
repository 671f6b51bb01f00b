#include "cli/spelling.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "io/error.h"

namespace emend::cli {
namespace {

size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    auto diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      const auto replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string quoted_word(const std::string& word) {
  return word.size() > 80 ? word.substr(0, 77) + "..." : word;
}

[[noreturn]] void refuse(const char* what, const std::string& word,
                         const std::vector<std::string>& candidates, const std::string& help) {
  const auto near = nearest(word, candidates);
  throw Error("cli::arguments", fmt::format("unknown {} '{}'", what, quoted_word(word)),
              near.empty() ? fmt::format("{} lists all {}s", help, what)
                           : fmt::format("did you mean '{}'? {} lists all {}s", near, help, what));
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  if (word.size() > 100) return best;
  auto least = std::max<size_t>(2, word.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    const auto now = distance(word, candidate);
    if (now >= least) continue;
    least = now;
    best = candidate;
  }
  return best;
}

void check_spelling(CLI::App& program, const std::vector<std::string>& arguments) {
  auto* app = &program;
  std::string help = "emend";
  size_t at = 0;
  for (; at < arguments.size() && !arguments[at].starts_with('-'); ++at) {
    const auto names = command_names(*app);
    if (names.empty()) break;
    if (std::find(names.begin(), names.end(), arguments[at]) == names.end())
      refuse("command", arguments[at], names, help + " --help");
    app = app->get_subcommand(arguments[at]);
    help += " " + arguments[at];
  }
  const auto options = option_names(*app);
  for (; at < arguments.size() && arguments[at] != "--"; ++at) {
    const auto name = arguments[at].substr(0, arguments[at].find('='));
    if (name.starts_with("--") && std::find(options.begin(), options.end(), name) == options.end())
      refuse("option", name, options, help + " --help");
  }
}

}  // namespace emend::cli
