#include "editing/statistics/collect_state.h"

#include <fmt/format.h>

#include "io/error.h"
#include "io/json/json.h"
#include "io/tensors/safetensors.h"
#include "io/tensors/tensor_hash.h"

namespace emend {
namespace {

std::string state_checksum(const std::string& description,
                           const std::map<std::string, at::Tensor>& tensors) {
  Hasher hash;
  hash.update_sized(description);
  for (const auto& [name, tensor] : tensors) {
    hash.update_sized(name);
    update_tensor(hash, tensor);
  }
  return hash.hex();
}

[[noreturn]] void reject_state(const std::string& path, const std::string& what) {
  throw Error("editing::statistics", fmt::format("'{}' {}", path, what),
              "use --restart to discard it and start again, or give another file with -o");
}

}  // namespace

void CollectState::save(const std::string& path) const {
  const nlohmann::json description = {{"run", run}, {"group", group}, {"sample", sample}};
  const auto text = description.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  write_safetensors(
      path, {tensors.begin(), tensors.end()},
      {{"format", kFormat}, {"state", text}, {"checksum", state_checksum(text, tensors)}});
}

CollectState CollectState::load(const std::string& path, const nlohmann::json& run) {
  const auto file = SafetensorsFile::open(path);
  const auto metadata = [&](const char* name) {
    const auto found = file->metadata().find(name);
    return found == file->metadata().end() ? std::string() : found->second;
  };
  if (metadata("format") != kFormat) reject_state(path, "is not a state of emend stats");
  CollectState state;
  for (const auto& [name, info] : file->tensors()) state.tensors[name] = file->tensor(name);
  const auto text = metadata("state");
  if (state_checksum(text, state.tensors) != metadata("checksum"))
    reject_state(path, "was changed after it was saved (its checksum differs)");
  const auto description = parse_json(text, path + " (description)");
  state.run = json_get<nlohmann::json>(description, "run", path);
  if (state.run != run)
    reject_state(path, "was made for another model, other sites, samples or settings");
  state.group = json_get<int64_t>(description, "group", path);
  state.sample = json_get<int64_t>(description, "sample", path);
  return state;
}

}  // namespace emend
