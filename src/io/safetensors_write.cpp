#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/error.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "io/safetensors_header.h"

namespace emend {
namespace {

constexpr const char* kPlace = "io::safetensors";

struct Entry {
  const std::string* name;
  const at::Tensor* tensor;
  const SafetensorsType* type;
};

std::vector<Entry> checked(const std::string& path,
                           const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  std::vector<Entry> entries;
  for (const auto& [name, tensor] : tensors) {
    const auto* type = tensor.defined() ? find_safetensors_type(tensor.scalar_type()) : nullptr;
    if (!type || tensor.layout() != at::kStrided || name == "__metadata__")
      throw Error(kPlace, fmt::format("cannot write '{}': tensor '{}' has {}", path, name,
                                      !tensor.defined() ? "no value"
                                      : name == "__metadata__"
                                          ? "a name that the format keeps for itself"
                                          : "a dtype or layout that the format does not know"));
    entries.push_back({&name, &tensor, type});
  }
  // Widest elements first, so that every tensor is aligned for its dtype.
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.type->bits > b.type->bits; });
  return entries;
}

std::string header_text(const std::string& path, const std::vector<Entry>& entries,
                        const std::map<std::string, std::string>& metadata) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t position = 0;
  for (const auto& entry : entries) {
    uint64_t end = position + static_cast<uint64_t>(entry.tensor->numel()) *
                                  static_cast<uint64_t>(entry.type->bits) / 8;
    auto [place, is_new] =
        header.emplace(*entry.name, nlohmann::json{{"dtype", entry.type->name},
                                                   {"shape", entry.tensor->sizes().vec()},
                                                   {"data_offsets", {position, end}}});
    if (!is_new)
      throw Error(kPlace,
                  fmt::format("cannot write '{}': two tensors are named '{}'", path, *entry.name));
    position = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    throw Error(kPlace,
                fmt::format("cannot write '{}': a name or metadata is not valid UTF-8", path));
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

void write_safetensors(const std::string& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  auto entries = checked(path, tensors);
  auto header = header_text(path, entries, metadata);
  uint8_t length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<uint8_t>(header.size() >> (8 * i));
  AtomicFile file(path);
  file.write(length, sizeof length);
  file.write(header);
  for (const auto& entry : entries) {
    auto tensor = entry.tensor->detach().cpu().contiguous();
    file.write(tensor.data_ptr(), tensor.nbytes());
  }
  file.commit();
}

}  // namespace emend
