#include "editing/patches/patch_file.h"

#include <fmt/format.h>

#include <set>

#include "editing/patches/patch.h"
#include "io/error.h"
#include "io/hash.h"
#include "io/json/json.h"
#include "io/tensors/safetensors.h"

namespace emend {
namespace {

constexpr const char* kPatchFormat = "emend-patch";
// Format 2 has checksums. Format 1 can also be read.
constexpr const char* kPatchVersion = "2";
constexpr const char* kWithoutChecksums = "1";

[[noreturn]] void reject_patch(const std::string& path, const std::string& what) {
  throw Error("editing::patch", fmt::format("'{}' {}", path, what),
              "make the patch again with `emend edit`, or fetch an intact copy");
}

const nlohmann::json& field(const std::string& path, const nlohmann::json& object,
                            const char* name) {
  if (!object.is_object() || !object.contains(name))
    reject_patch(path, fmt::format("is missing the field '{}'", name));
  return object.at(name);
}

std::string text_field(const std::string& path, const nlohmann::json& object, const char* name) {
  const auto& value = field(path, object, name);
  if (!value.is_string())
    reject_patch(path, fmt::format("has a field '{}' that is not text", name));
  return value.get<std::string>();
}

// Returns a finite float32 copy. A copy is safe even if the file is truncated later.
at::Tensor read_tensor(const std::string& path, const SafetensorsFile& file,
                       const std::string& name) {
  auto info = file.tensors().find(name);
  if (info == file.tensors().end())
    reject_patch(path, fmt::format("is missing the tensor '{}'", name));
  if (info->second.dtype != at::kFloat)
    reject_patch(path, fmt::format("has a tensor '{}' that is not float32", name));
  auto tensor = file.tensor(name).clone();
  if (!at::isfinite(tensor).all().item<bool>())
    reject_patch(path, fmt::format("has a tensor '{}' that is not finite", name));
  return tensor;
}

at::Tensor read_matrix(const std::string& path, const SafetensorsFile& file,
                       const std::string& name) {
  auto tensor = read_tensor(path, file, name);
  if (tensor.dim() != 2)
    reject_patch(path, fmt::format("has a tensor '{}' that is not two-dimensional", name));
  return tensor;
}

std::string network_tensor(const std::string& name) { return "memory.network." + name; }
std::string entry_tensor(size_t entry, const std::string& name) {
  return fmt::format("memory.{}.{}", entry, name);
}

std::vector<std::string> names_of(const std::map<std::string, at::Tensor>& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

nlohmann::json describe(const Memory& memory) {
  nlohmann::json json = {{"network", names_of(memory.network)},
                         {"reading", memory.reading},
                         {"entries", nlohmann::json::array()}};
  for (const auto& entry : memory.entries)
    json["entries"].push_back(
        {{"name", entry.name}, {"facts", entry.facts}, {"tensors", names_of(entry.tensors)}});
  return json;
}

// `take` reads a tensor that the patch lists.
template <class Take>
Memory read_memory(const std::string& path, const nlohmann::json& json, Take&& take) {
  auto list = [&](const nlohmann::json& object, const char* name) -> const nlohmann::json& {
    const auto& value = field(path, object, name);
    if (!value.is_array())
      reject_patch(path, fmt::format("has a field '{}' that is not a list", name));
    return value;
  };
  auto name_of = [&](const nlohmann::json& value) {
    if (!value.is_string()) reject_patch(path, "has a tensor name in its memory that is not text");
    return value.get<std::string>();
  };
  Memory memory;
  for (const auto& value : list(json, "network")) {
    auto name = name_of(value);
    memory.network[name] = take(network_tensor(name));
  }
  for (const auto& value : list(json, "entries")) {
    MemoryEntry entry{text_field(path, value, "name"), field(path, value, "facts"), {}};
    for (const auto& tensor : list(value, "tensors")) {
      auto name = name_of(tensor);
      entry.tensors[name] = take(entry_tensor(memory.entries.size(), name));
    }
    memory.entries.push_back(std::move(entry));
  }
  memory.reading = field(path, json, "reading");
  return memory;
}

std::string header_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// {field: XXH3-128 of its text} for the description of a patch. The id covers the tensors.
nlohmann::json checksums_of(const nlohmann::json& description) {
  auto sums = nlohmann::json::object();
  for (const auto& [name, value] : description.items()) sums[name] = hash_hex(header_text(value));
  return sums;
}

void check_fields(const std::string& path, const nlohmann::json& description,
                  const nlohmann::json& sums) {
  if (!sums.is_object()) reject_patch(path, "has checksums that are not an object");
  const auto now = checksums_of(description);
  for (const auto& [name, sum] : now.items())
    if (!sums.contains(name) || sums[name] != sum)
      reject_patch(path, fmt::format("has a field '{}' that was changed after it was saved",
                                     name.substr(0, 100)));
  for (const auto& [name, sum] : sums.items())
    if (!now.contains(name))
      reject_patch(path, fmt::format("is missing the field '{}'", name.substr(0, 100)));
}

}  // namespace

void save_patch(const std::string& path, const Patch& patch) {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  auto add = [&](const std::string& name, const at::Tensor& tensor, bool matrix = true) {
    auto value = tensor.detach().to(at::kCPU).contiguous();
    if (value.scalar_type() != at::kFloat || (matrix && value.dim() != 2) ||
        !at::isfinite(value).all().item<bool>())
      throw Error(
          "editing::patch",
          fmt::format("'{}' is not a finite float32 {}", name, matrix ? "matrix" : "tensor"),
          "lower the learning rate (--set lr=...)");
    tensors.emplace_back(name, value);
  };
  auto sites = nlohmann::json::array();
  for (const auto& [site, delta] : patch.deltas) {
    sites.push_back(site);
    if (delta.low_rank()) {
      add(site + ".up", delta.up);
      add(site + ".down", delta.down);
    } else {
      add(site + ".delta", delta.dense);
    }
  }
  auto with_keys = nlohmann::json::array();
  for (const auto& [site, keys, gradients] : patch.keys) {
    with_keys.push_back(site);
    add(site + ".keys", keys);
    if (gradients.defined()) add(site + ".gradients", gradients);
  }
  for (const auto& [name, tensor] : patch.memory.network)
    add(network_tensor(name), tensor, /*matrix=*/false);
  for (size_t e = 0; e < patch.memory.entries.size(); ++e)
    for (const auto& [name, tensor] : patch.memory.entries[e].tensors)
      add(entry_tensor(e, name), tensor, /*matrix=*/false);
  nlohmann::json description = {{"id", patch.id},           {"base", patch.base},
                                {"editor", patch.editor},   {"settings", patch.settings},
                                {"request", patch.request}, {"effect", patch.effect},
                                {"sites", sites},           {"made_by", patch.made_by}};
  if (!with_keys.empty()) description["keys"] = with_keys;
  if (!patch.memory.entries.empty()) description["memory"] = describe(patch.memory);
  const auto text = header_text(description);
  // The text as it will be read: invalid UTF-8 is replaced.
  const auto sums = checksums_of(parse_json(text, path));
  write_safetensors(path, tensors,
                    {{"format", kPatchFormat},
                     {"version", kPatchVersion},
                     {"patch", text},
                     {"checksums", header_text(sums)}});
}

bool has_checksums(const std::string& path) {
  const auto file = SafetensorsFile::open(path);
  return file->metadata().count("checksums") > 0;
}

Patch load_patch(const std::string& path) {
  auto file = SafetensorsFile::open(path);
  const auto& metadata = file->metadata();
  auto format = metadata.find("format");
  if (format == metadata.end() || format->second != kPatchFormat)
    throw Error("editing::patch", fmt::format("'{}' is not a patch", path),
                format != metadata.end() && format->second == "emend-editor"
                    ? "it is a trained editor: use it with --set checkpoint=FILE"
                    : "create patches with `emend edit -o PATCH`");
  auto version = metadata.find("version");
  const auto format_version = version == metadata.end() ? "unknown" : version->second;
  if (format_version != kPatchVersion && format_version != kWithoutChecksums)
    throw Error("editing::patch",
                fmt::format("'{}' has patch format {}, but this program reads {} and {}", path,
                            format_version.substr(0, 100), kWithoutChecksums, kPatchVersion),
                "use a newer emend");
  auto text = metadata.find("patch");
  if (text == metadata.end()) reject_patch(path, "is missing its description");
  auto description = parse_json(text->second, path + " (description)");

  Patch patch;
  patch.id = text_field(path, description, "id");
  patch.base = text_field(path, description, "base");
  patch.editor = text_field(path, description, "editor");
  patch.made_by = text_field(path, description, "made_by");
  patch.settings = field(path, description, "settings");
  patch.request = field(path, description, "request");
  patch.effect = field(path, description, "effect");
  const auto& sites = field(path, description, "sites");
  if (!sites.is_array()) reject_patch(path, "has a field 'sites' that is not a list");

  std::set<std::string> used;
  for (const auto& entry : sites) {
    if (!entry.is_string()) reject_patch(path, "has a site name that is not text");
    SiteDelta change{entry.get<std::string>(), {}};
    auto take = [&](const char* part) {
      auto name = change.site + part;
      if (!used.insert(name).second)
        reject_patch(path, fmt::format("lists '{}' twice", change.site));
      return read_matrix(path, *file, name);
    };
    if (file->tensors().count(change.site + ".up")) {
      change.delta.up = take(".up");
      change.delta.down = take(".down");
      if (change.delta.up.size(1) != change.delta.down.size(0))
        reject_patch(path, fmt::format("has factors of '{}' with different ranks", change.site));
    } else {
      change.delta.dense = take(".delta");
    }
    patch.deltas.push_back(std::move(change));
  }
  if (description.contains("keys")) {
    const auto& listed = description["keys"];
    if (!listed.is_array()) reject_patch(path, "has a field 'keys' that is not a list");
    for (const auto& entry : listed) {
      if (!entry.is_string()) reject_patch(path, "has a site name that is not text");
      const auto site = entry.get<std::string>();
      if (!used.insert(site + ".keys").second)
        reject_patch(path, fmt::format("lists the keys of '{}' twice", site));
      SiteKeys keys{site, read_matrix(path, *file, site + ".keys")};
      if (const auto name = site + ".gradients"; file->tensors().count(name)) {
        used.insert(name);
        keys.gradients = read_matrix(path, *file, name);
        if (keys.gradients.size(0) != keys.keys.size(0))
          reject_patch(path, fmt::format("has {} keys of '{}', but {} gradients", keys.keys.size(0),
                                         site, keys.gradients.size(0)));
      }
      patch.keys.push_back(std::move(keys));
    }
  }
  if (description.contains("memory"))
    patch.memory = read_memory(path, description["memory"], [&](const std::string& name) {
      if (!used.insert(name).second) reject_patch(path, fmt::format("lists '{}' twice", name));
      return read_tensor(path, *file, name);
    });
  for (const auto& [name, info] : file->tensors())
    if (!used.count(name)) reject_patch(path, fmt::format("has an unlisted tensor '{}'", name));
  if (format_version == kPatchVersion) {
    const auto sums = metadata.find("checksums");
    if (sums == metadata.end()) reject_patch(path, "is missing its checksums");
    check_fields(path, description, parse_json(sums->second, path + " (checksums)"));
  }
  if (patch_id(patch) != patch.id)
    reject_patch(
        path, "has a tensor or a field that was changed after the patch was made (its id differs)");
  return patch;
}

}  // namespace emend
