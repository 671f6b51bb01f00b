#include "editing/patches/patch_facts.h"

#include "editing/registry.h"

namespace emend {

nlohmann::json describe_entries(const Patch& patch) {
  auto all = nlohmann::json::array();
  for (const auto& entry : patch.memory.entries)
    all.push_back({{"name", entry.name}, {"facts", entry.facts}});
  return all;
}

nlohmann::json memory_facts(const Patch& patch) {
  if (patch.memory.entries.empty()) return nullptr;
  const auto info = editor_info(patch.editor);
  return info.memory_facts ? info.memory_facts(patch) : nlohmann::json();
}

}  // namespace emend
