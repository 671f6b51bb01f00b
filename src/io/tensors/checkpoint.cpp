#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "io/error.h"
#include "io/files/path.h"
#include "io/json/json.h"
#include "io/tensors/safetensors.h"
#include "io/tensors/torch_file.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
constexpr const char* kCheckpointPlace = "io::checkpoint";
constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kOldSingle = "pytorch_model.bin";
constexpr const char* kOldIndex = "pytorch_model.bin.index.json";

using File = std::shared_ptr<const TensorFile>;
using Files = std::map<std::string, File>;

File open_file(const fs::path& path) {
  if (path.extension() == ".safetensors") return SafetensorsFile::open(path.string());
  return TorchFile::open(path.string());
}

[[noreturn]] void no_weights(const fs::path& folder) {
  if (!path_exists(folder))
    throw Error(kCheckpointPlace, fmt::format("the folder '{}' does not exist", folder.string()),
                "check the path");
  if (!is_folder(folder))
    throw Error(kCheckpointPlace, fmt::format("'{}' is not a folder", folder.string()),
                "give the model's folder, not a file in it");
  throw Error(kCheckpointPlace,
              fmt::format("'{}' has neither {} nor {}, nor the corresponding .bin files",
                          folder.string(), kSingle, kIndex),
              "give a model folder in the Hugging Face layout");
}

// A shard must be a file of the folder itself; an index must not refer to other places.
void check_shard_name(const std::string& shard, const std::string& index) {
  if (shard.empty() || shard == "." || shard == ".." || shard.find('\0') != std::string::npos ||
      fs::path(shard).filename().string() != shard)
    throw Error(
        kCheckpointPlace,
        fmt::format("'{}' names the shard '{}', which is not a plain file name", index, shard),
        "shards must be in the folder of the index");
}

void add_file(const File& file, Files& files) {
  for (const auto& [name, info] : file->tensors()) files[name] = file;
}

Files open_sharded(const fs::path& folder, const char* index_name) {
  auto index = (folder / index_name).string();
  auto json = read_json(index);
  auto weight_map = json_get<nlohmann::json>(json, "weight_map", index);
  if (!weight_map.is_object() || weight_map.empty())
    throw Error(kCheckpointPlace, fmt::format("'{}' has no usable weight_map", index),
                "the index is damaged; fetch it again");
  std::map<std::string, std::set<std::string>> shards;
  for (const auto& [name, shard] : weight_map.items())
    shards[json_get<std::string>(weight_map, name, index)].insert(name);

  Files files;
  for (const auto& [shard, names] : shards) {
    check_shard_name(shard, index);
    if (!is_file(folder / shard))
      throw Error(kCheckpointPlace,
                  fmt::format("'{}' names the shard '{}', which does not exist", index, shard),
                  "fetch the missing shard");
    auto file = open_file(folder / shard);
    for (const auto& name : names)
      if (!file->tensors().count(name))
        throw Error(kCheckpointPlace,
                    fmt::format("'{}' places tensor '{}' in '{}', which does not have it", index,
                                name, shard),
                    "index and shards do not belong together; fetch both again");
    for (const auto& [name, info] : file->tensors())
      if (!names.count(name))
        throw Error(kCheckpointPlace,
                    fmt::format("shard '{}' has tensor '{}', which '{}' does not place there",
                                shard, name, index),
                    "index and shards do not belong together; fetch both again");
    add_file(file, files);
  }
  return files;
}

}  // namespace

Checkpoint Checkpoint::open(const std::string& folder) {
  Checkpoint checkpoint;
  const fs::path root(folder);
  for (const auto& [single, index] : {std::pair{kSingle, kIndex}, {kOldSingle, kOldIndex}}) {
    if (is_file(root / single))
      add_file(open_file(root / single), checkpoint.file_of_);
    else if (is_file(root / index))
      checkpoint.file_of_ = open_sharded(root, index);
    if (!checkpoint.file_of_.empty()) return checkpoint;
  }
  no_weights(root);
}

Checkpoint Checkpoint::of(const std::shared_ptr<const TensorFile>& file) {
  Checkpoint checkpoint;
  add_file(file, checkpoint.file_of_);
  return checkpoint;
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  names.reserve(file_of_.size());
  for (const auto& [name, file] : file_of_) names.push_back(name);
  return names;
}

const TensorInfo& Checkpoint::info(const std::string& name) const {
  auto found = file_of_.find(name);
  if (found == file_of_.end())
    throw Error(kCheckpointPlace, fmt::format("the model has no tensor '{}'", name),
                "check that the folder contains the expected model");
  return found->second->tensors().at(name);
}

const std::string& Checkpoint::file(const std::string& name) const {
  info(name);
  return file_of_.at(name)->path();
}

at::Tensor Checkpoint::tensor(const std::string& name) const {
  info(name);
  return file_of_.at(name)->tensor(name);
}

void Checkpoint::release_pages(const std::string& name) const {
  if (auto found = file_of_.find(name); found != file_of_.end()) found->second->release_pages(name);
}

}  // namespace emend
