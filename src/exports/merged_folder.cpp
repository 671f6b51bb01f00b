#include "exports/merged_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "exports/checkpoint_stream.h"
#include "exports/model_card.h"
#include "exports/weight_changes.h"
#include "io/files/atomic_directory.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "models/architectures/architecture.h"
#include "models/config/json_fields.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kShardBytes = 5'000'000'000;  // if the folder has .bin files

// Files of a folder that describe its weights, which are written anew.
bool describes_weights(const fs::path& file) {
  const auto name = file.filename().string();
  const auto ending = file.extension().string();
  return ending == ".safetensors" || ending == ".bin" || ending == ".pth" || ending == ".gguf" ||
         name.ends_with(".index.json") || name == "config.json";
}

// README.md and other documents about the base model. Licenses hold for the edited model, too.
bool is_about_base(const fs::path& file) {
  const auto name = file.filename().string();
  return file.extension() == ".md" && !name.starts_with("LICENSE") && !name.starts_with("NOTICE");
}

// Tokenizer, processor, templates, generation settings, license, and so on.
void copy_other_files(const std::string& folder, const AtomicDirectory& output) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file() && !describes_weights(entry.path()) && !is_about_base(entry.path()))
      write_file(output.file(entry.path().filename().string()), read_file(entry.path().string()));
}

uint64_t bytes_of(const PlannedTensor& tensor) {
  return c10::elementSize(tensor.dtype) *
         static_cast<uint64_t>(c10::multiply_integers(tensor.shape));
}

// A tied output layer with a change of its own needs a weight of its own.
void untie(nlohmann::json& config) {
  config["tie_word_embeddings"] = false;
  if (config.contains("text_config") && config["text_config"].is_object())
    config["text_config"]["tie_word_embeddings"] = false;
}

// The tensors of the edited model, in the files of the folder.
class MergedWeights {
 public:
  MergedWeights(const Vlm& vlm, const PatchStack& stack, const MergedFolderOptions& options,
                MergedFolder& result)
      : options_(options),
        result_(result),
        config_(read_json_object((fs::path(vlm.folder) / "config.json").string())),
        stream_(vlm.folder) {
    auto changes = weight_changes(stack);
    const auto architecture = architecture_of(config_);
    const auto is_tied = [&](const std::string& name) {
      const auto& tied = architecture.tied_weights;
      return std::find(tied.begin(), tied.end(), name) != tied.end();
    };
    for (const auto& stored : stream_.checkpoint().names()) {
      const auto name = architecture.names(stored);
      const auto change = take_change(changes, name);
      if (!change) {
        keep(stored);
        continue;
      }
      if (is_tied(name)) separate(name);
      merge(stored, stream_.checkpoint().info(stored), *change,
            [this, stored] { return stream_.read(stored); });
    }
    for (const auto& [site, change] : changes) {
      const auto name = site + ".weight";
      if (!is_tied(name)) refuse_change(vlm.folder, site);
      separate(name);
      const auto weight = vlm.model->weight(vlm.model->site(site));
      merge(name, {vlm.stored_dtype, weight.sizes().vec()}, change, [weight] { return weight; });
    }
  }

  const nlohmann::json& config() const { return config_; }
  const std::vector<PlannedTensor>& tensors() const { return tensors_; }

  // Writes the tensors into the files of the same names. A tensor without a file of its own is
  // written into the last one.
  void write(const std::string& folder) const {
    std::map<std::string, std::vector<PlannedTensor>> shards;
    std::vector<PlannedTensor> separated;
    for (const auto& tensor : tensors_)
      if (stream_.checkpoint().contains(tensor.name))
        shards[fs::path(stream_.checkpoint().file(tensor.name)).filename().string()].push_back(
            tensor);
      else
        separated.push_back(tensor);
    auto& last = shards.rbegin()->second;
    last.insert(last.end(), separated.begin(), separated.end());
    const std::map<std::string, std::string> metadata = {{"format", "pt"}};
    if (!shards.rbegin()->first.ends_with(".safetensors"))
      return stream_checkpoint(folder, tensors_, metadata, kShardBytes, options_.written);
    auto weight_map = nlohmann::json::object();
    for (const auto& [name, tensors] : shards) {
      stream_safetensors(folder + "/" + name, tensors, metadata, options_.written);
      for (const auto& tensor : tensors) weight_map[tensor.name] = name;
    }
    if (shards.size() > 1)
      write_json(folder + "/model.safetensors.index.json",
                 {{"metadata", {{"total_size", result_.bytes}}}, {"weight_map", weight_map}});
  }

 private:
  at::ScalarType written_dtype(at::ScalarType stored) const {
    return options_.dtype && at::isFloatingType(stored) ? *options_.dtype : stored;
  }

  void keep(const std::string& stored) {
    const auto& info = stream_.checkpoint().info(stored);
    const auto dtype = written_dtype(info.dtype);
    tensors_.push_back({stored, dtype, info.shape,
                        [this, stored, dtype] { return stream_.read(stored).to(dtype); }});
  }

  void merge(const std::string& stored, const TensorInfo& info, const WeightDelta& change,
             std::function<at::Tensor()> weight) {
    const auto dtype = written_dtype(info.dtype);
    tensors_.push_back({stored, dtype, info.shape, [this, stored, dtype, change, weight] {
                          const auto merged = merged_weight(weight(), change);
                          const auto rounded = merged.weight.to(dtype);
                          result_.rounding.add(stored, rounded.to(at::kFloat) - merged.weight,
                                               merged.change);
                          return rounded;
                        }});
    ++result_.changed;
  }

  void separate(const std::string& name) {
    untie(config_);
    result_.notes.push_back(fmt::format(
        "{} was tied to the embeddings; it now has a separate weight, and config.json has "
        "tie_word_embeddings false",
        name));
  }

  const MergedFolderOptions& options_;
  MergedFolder& result_;
  nlohmann::json config_;
  CheckpointStream stream_;
  std::vector<PlannedTensor> tensors_;
};

}  // namespace

MergedFolder write_merged_folder(const Vlm& vlm, const PatchStack& stack, const std::string& output,
                                 const MergedFolderOptions& options) {
  MergedFolder result;
  const MergedWeights weights(vlm, stack, options, result);
  AtomicDirectory folder(output);
  for (const auto& tensor : weights.tensors()) result.bytes += bytes_of(tensor);
  result.tensors = static_cast<int64_t>(weights.tensors().size());
  if (options.begin) options.begin(result.bytes);
  copy_other_files(vlm.folder, folder);
  write_json(folder.file("config.json"), weights.config());
  write_file(folder.file("README.md"), model_card(output, vlm, weights.config(), stack));
  weights.write(folder.path());
  folder.commit();
  return result;
}

}  // namespace emend
