#include "cli/entries.h"

#include "cli/table.h"

namespace emend::cli {

nlohmann::json describe_entries(const Patch& patch) {
  auto all = nlohmann::json::array();
  for (const auto& entry : patch.memory.entries)
    all.push_back({{"name", entry.name}, {"facts", entry.facts}});
  return all;
}

std::string entries_table(const Patch& patch) {
  std::vector<std::vector<std::string>> rows = {{"entry", "prompt", "target", "picture"}};
  for (const auto& entry : patch.memory.entries) {
    auto fact = [&](const char* name) {
      return entry.facts.is_object() ? entry.facts.value(name, std::string()) : std::string();
    };
    rows.push_back({entry.name, fact("prompt"), fact("target"), fact("image")});
  }
  return table(rows);
}

}  // namespace emend::cli
