#include "evaluation/edits/sequence/editor_files.h"

#include <filesystem>
#include <vector>

#include "editing/statistics/moments_file.h"
#include "editing/training/checkpoint.h"
#include "io/error.h"
#include "io/hash.h"
#include "io/tensors/safetensors.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// Empty: the file cannot be read.
std::string header_checksum(const std::string& path) {
  try {
    Hasher hash;
    const auto file = SafetensorsFile::open(path);
    for (const auto& [name, value] : file->metadata()) hash.update_sized(name).update_sized(value);
    return hash.hex();
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

nlohmann::json editor_files(const std::string& model_folder, const std::string& editor,
                            const nlohmann::json& settings) {
  auto files = nlohmann::json::object();
  const auto add = [&](const char* setting, const std::vector<std::string>& paths) {
    std::string all;
    for (const auto& path : paths) all += header_checksum(path);
    if (!all.empty()) files[setting] = paths.size() == 1 ? all : hash_hex(all);
  };
  const auto given = [&](const char* setting) { return settings.value(setting, std::string()); };
  if (settings.contains("checkpoint"))
    add("checkpoint", given("checkpoint").empty() ? standard_checkpoints(model_folder, editor)
                                                  : std::vector{given("checkpoint")});
  if (settings.contains("statistics") && given("statistics") != "none")
    add("statistics",
        {given("statistics").empty() ? (fs::path(model_folder) / kStatisticsFile).string()
                                     : given("statistics")});
  return files;
}

}  // namespace emend
