#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "cli/command.h"
#include "editing/registry.h"

namespace emend::cli {
namespace {

// A default in one line: a line break is shown as \n.
std::string shown(const nlohmann::json& value) {
  const auto text = value.is_string() ? value.get<std::string>() : value.dump();
  std::string line;
  for (char c : text) line += c == '\n' ? std::string("\\n") : std::string(1, c);
  return line.empty() ? "none" : line;
}

void print(const std::vector<SettingInfo>& settings) {
  size_t names = 0, values = 0;
  for (const auto& setting : settings) {
    names = std::max(names, setting.name.size());
    values = std::max(values, shown(setting.value).size());
  }
  for (const auto& setting : settings)
    std::cout << fmt::format("  {:<{}}  {:<{}}  {}\n      {}\n", setting.name, names,
                             shown(setting.value), values, setting.range, setting.meaning);
}

void print(const EditorInfo& kind) {
  std::cout << fmt::format("{}  {}\n", kind.name, kind.summary);
  print(kind.settings);
  if (!kind.training_settings.empty()) {
    std::cout << fmt::format("  Settings of training (emend train --editor {} --set NAME=VALUE):\n",
                             kind.name);
    print(kind.training_settings);
  }
  if (!kind.departures.empty()) std::cout << "  Defaults that differ from the paper:\n";
  for (const auto& departure : kind.departures) std::cout << fmt::format("    - {}\n", departure);
}

void editors(const std::string& name, bool json) {
  auto kinds = name.empty() ? editor_infos() : std::vector{editor_info(name)};
  if (json) {
    auto all = nlohmann::json::array();
    for (const auto& kind : kinds) all.push_back(to_json(kind));
    print_json({{"editors", all}, {"version", EMEND_VERSION}});
    return;
  }
  for (const auto& kind : kinds) {
    print(kind);
    std::cout << "\n";
  }
  std::cout << "Columns: setting, default, range. Set with --set NAME=VALUE, or in a file "
               "(--settings FILE), for example:\n"
            << "  " << kinds.back().name << ":\n"
            << "    " << kinds.back().settings.front().name << ": "
            << kinds.back().settings.front().value.dump() << "\n";
}

}  // namespace

void add_editors(CLI::App& program) {
  struct Arguments {
    std::string name;
    bool json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  auto* command = program.add_subcommand(
      "editors", "List the editors with their settings, defaults and ranges");
  command->footer(R"(
Examples:
  emend editors
  emend editors lora)");
  command->add_option("name", arguments->name, "name of one editor; default: all");
  command->add_flag("--json", arguments->json, "print one JSON object instead of text");
  command->callback([arguments] { editors(arguments->name, arguments->json); });
}

}  // namespace emend::cli
