#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/error.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "io/tensors/safetensors.h"
#include "io/tensors/safetensors_header.h"

namespace emend {
namespace {

constexpr const char* kSafetensorsWriterPlace = "io::safetensors";

struct Entry {
  const PlannedTensor* tensor;
  const SafetensorsType* type;
};

[[noreturn]] void fail_to_write(const std::string& path, const std::string& problem) {
  throw Error(kSafetensorsWriterPlace, fmt::format("cannot write '{}': {}", path, problem),
              "give each tensor a unique name and a dtype that safetensors supports");
}

uint64_t bytes_of(const PlannedTensor& tensor, int bits) {
  uint64_t bytes = static_cast<uint64_t>(bits) / 8;
  for (auto extent : tensor.shape) bytes *= static_cast<uint64_t>(extent);
  return bytes;
}

std::vector<Entry> checked(const std::string& path, const std::vector<PlannedTensor>& tensors) {
  std::vector<Entry> entries;
  for (const auto& tensor : tensors) {
    const auto* type = find_safetensors_type(tensor.dtype);
    if (!type)
      fail_to_write(path, fmt::format("tensor '{}' has a dtype that the format does not support",
                                      tensor.name));
    if (tensor.name == "__metadata__")
      fail_to_write(path, "the tensor name '__metadata__' is reserved by the format");
    entries.push_back({&tensor, type});
  }
  // Tensors with the widest elements come first, so that every tensor is aligned for its dtype.
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
    uint64_t end = position + bytes_of(*entry.tensor, entry.type->bits);
    auto [place, is_new] =
        header.emplace(entry.tensor->name, nlohmann::json{{"dtype", entry.type->name},
                                                          {"shape", entry.tensor->shape},
                                                          {"data_offsets", {position, end}}});
    if (!is_new) fail_to_write(path, fmt::format("two tensors are named '{}'", entry.tensor->name));
    position = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    fail_to_write(path, "a tensor name or the metadata is not valid UTF-8");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

void stream_safetensors(const std::string& path, const std::vector<PlannedTensor>& tensors,
                        const std::map<std::string, std::string>& metadata,
                        const WriteProgress& written) {
  auto entries = checked(path, tensors);
  auto header = header_text(path, entries, metadata);
  uint8_t length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<uint8_t>(header.size() >> (8 * i));
  AtomicFile file(path);
  file.write(length, sizeof length);
  file.write(header);
  for (const auto& entry : entries) {
    const auto tensor = entry.tensor->make().detach().cpu().contiguous();
    if (tensor.scalar_type() != entry.tensor->dtype || tensor.sizes() != entry.tensor->shape)
      fail_to_write(path, fmt::format("tensor '{}' does not have the planned dtype and shape",
                                      entry.tensor->name));
    file.write(tensor.data_ptr(), tensor.nbytes());
    if (written) written(tensor.nbytes());
  }
  file.commit();
}

void write_safetensors(const std::string& path,
                       const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<PlannedTensor> planned;
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.defined()) fail_to_write(path, fmt::format("tensor '{}' is undefined", name));
    if (tensor.layout() != at::kStrided)
      fail_to_write(path,
                    fmt::format("tensor '{}' has a layout that the format does not support", name));
    planned.push_back(
        {name, tensor.scalar_type(), tensor.sizes().vec(), [tensor = tensor] { return tensor; }});
  }
  stream_safetensors(path, planned, metadata);
}

void stream_checkpoint(const std::string& folder, const std::vector<PlannedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata, uint64_t shard_bytes,
                       const WriteProgress& written) {
  std::vector<std::vector<PlannedTensor>> shards(1);
  uint64_t size = 0, total = 0;
  for (const auto& tensor : tensors) {
    const auto* type = find_safetensors_type(tensor.dtype);
    const auto bytes = bytes_of(tensor, type ? type->bits : 0);
    if (!shards.back().empty() && bytes > shard_bytes - std::min(size, shard_bytes)) {
      shards.emplace_back();
      size = 0;
    }
    shards.back().push_back(tensor);
    size += bytes;
    total += bytes;
  }
  if (shards.size() == 1)
    return stream_safetensors(folder + "/model.safetensors", shards[0], metadata, written);

  nlohmann::json weight_map = nlohmann::json::object();
  for (size_t i = 0; i < shards.size(); ++i) {
    const auto name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    for (const auto& tensor : shards[i])
      if (!weight_map.emplace(tensor.name, name).second)
        fail_to_write(folder, fmt::format("two tensors are named '{}'", tensor.name));
    stream_safetensors(folder + "/" + name, shards[i], metadata, written);
  }
  write_json(folder + "/model.safetensors.index.json",
             {{"metadata", {{"total_size", total}}}, {"weight_map", weight_map}});
}

}  // namespace emend
