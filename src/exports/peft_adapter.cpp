#include "exports/peft_adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "exports/weight_changes.h"
#include "io/error.h"
#include "io/files/atomic_directory.h"
#include "io/files/path.h"
#include "io/json/json.h"
#include "io/tensors/safetensors.h"
#include "io/tensors/torch_file.h"
#include "models/architectures/architecture.h"
#include "models/config/json_fields.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kPeftPlace = "exports::peft_adapter";
const std::string kPeftPrefix = "base_model.model.";

json adapter_config(const std::string& base, const std::map<std::string, int64_t>& ranks) {
  int64_t largest = 0;
  json modules = json::array(), pattern = json::object();
  for (const auto& [module, rank] : ranks) {
    largest = std::max(largest, rank);
    modules.push_back(module);
  }
  for (const auto& [module, rank] : ranks)
    if (rank != largest) pattern[module] = rank;
  return {{"peft_type", "LORA"},
          {"task_type", nullptr},
          {"base_model_name_or_path", base},
          {"inference_mode", true},
          {"r", largest},
          {"lora_alpha", largest},
          {"rank_pattern", pattern},
          {"alpha_pattern", pattern},
          {"target_modules", modules},
          {"lora_dropout", 0.0},
          {"bias", "none"},
          {"fan_in_fan_out", false},
          {"modules_to_save", nullptr},
          {"use_dora", false},
          {"use_rslora", false}};
}

// Settings that a change of weights does not express are refused.
void check_config(const JsonFields& config) {
  config.expect("peft_type", "LORA");
  config.expect("bias", "none");
  for (const char* flag : {"fan_in_fan_out", "use_dora", "lora_bias", "use_qalora", "use_bdlora"})
    config.expect_flag(flag, false);
  for (const char* part :
       {"modules_to_save", "layer_replication", "target_parameters", "trainable_token_indices",
        "arrow_config", "alora_invocation_tokens", "megatron_config"})
    config.expect_absent(part);
}

// With these initializations, PEFT also changes the weights of the base model.
void check_initialization(const json& config, const std::string& path) {
  const auto found = config.find("init_lora_weights");
  if (found == config.end() || !found->is_string()) return;
  const auto& name = found->get_ref<const std::string&>();
  for (const char* changing : {"pissa", "olora", "corda", "loftq", "lora_ga"})
    if (name.starts_with(changing))
      throw Error(kPeftPlace,
                  fmt::format("'{}' has init_lora_weights '{}', which also changes the weights of "
                              "the base model",
                              path, name),
                  "save the adapter with `save_pretrained(..., "
                  "path_initial_model_for_weight_conversion=...)`, which converts it to LoRA");
}

std::shared_ptr<const TensorFile> open_adapter(const fs::path& folder) {
  for (const char* name : {"adapter_model.safetensors", "adapter_model.bin"})
    if (const auto path = folder / name; is_file(path))
      return path.extension() == ".bin" ? std::shared_ptr<const TensorFile>(TorchFile::open(path))
                                        : SafetensorsFile::open(path);
  throw Error(kPeftPlace, fmt::format("'{}' has no adapter_model.safetensors", folder.string()),
              "give the folder that `save_pretrained` of a PEFT model wrote");
}

// The two factors of each module, by the site of the model.
using Adapters = std::map<std::string, LowRankFactors>;

Adapters read_factors(const TensorFile& file, const Architecture& architecture) {
  Adapters adapters;
  for (const auto& [name, info] : file.tensors()) {
    auto module = name.starts_with(kPeftPrefix) ? name.substr(kPeftPrefix.size()) : name;
    at::Tensor LowRankFactors::*factor = nullptr;
    for (const auto& [ending, member] :
         {std::pair{".lora_A", &LowRankFactors::down}, std::pair{".lora_B", &LowRankFactors::up}})
      for (const char* rest : {".weight", ".default.weight"})
        if (module.ends_with(std::string(ending) + rest)) {
          module.resize(module.size() - std::string(ending).size() - std::string(rest).size());
          factor = member;
        }
    if (!factor || info.shape.size() != 2)
      throw Error(kPeftPlace,
                  fmt::format("'{}' has the tensor '{}', which is not a factor of a linear layer",
                              file.path(), name),
                  "only LoRA of linear layers can be imported");
    const auto weight = architecture.names(module + ".weight");
    const auto site = weight.substr(0, weight.size() - std::min<size_t>(weight.size(), 7));
    auto& tensor = adapters[site].*factor;
    if (tensor.defined())
      throw Error(kPeftPlace, fmt::format("'{}' has two factors for '{}'", file.path(), site),
                  "give a folder with one adapter");
    tensor = file.tensor(name).to(at::kFloat);
  }
  return adapters;
}

// Rank and alpha of modules that differ from the rest. PEFT reads the keys as regular expressions
// for the end of a module's path; plain paths are supported.
class Pattern {
 public:
  Pattern(const json& config, const char* name, const std::string& path)
      : values_(json_get_or<json>(config, name, json::object(), path)) {
    for (const auto& [key, value] : values_.items())
      if (!value.is_number() || key.find_first_of("^$*+?()[]{}|\\") != std::string::npos)
        throw Error(kPeftPlace,
                    fmt::format("'{}': {} has the entry {}: {}", path, name, key, value.dump()),
                    "only numbers for plain module paths are supported");
  }
  double of(const std::string& module, double otherwise) const {
    for (const auto& [key, value] : values_.items())
      if (module == key || module.ends_with("." + key)) return value.get<double>();
    return otherwise;
  }

 private:
  json values_;
};

}  // namespace

std::vector<AdaptedLayer> write_peft_adapter(const Vlm& vlm, const PatchStack& stack,
                                             const std::string& output,
                                             const LowRankOptions& options) {
  const auto changes = weight_changes(stack);
  const auto architecture = architecture_of_folder(vlm.folder);
  AtomicDirectory folder(output);
  std::vector<AdaptedLayer> layers;
  std::map<std::string, int64_t> ranks;
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& [site, change] : changes) {
    const auto factors = factors_of(site, change, options);
    const auto module = architecture.module_path(site);
    ranks[module] = factors.down.size(0);
    layers.push_back({site, factors.down.size(0), factors.error});
    tensors.emplace_back(kPeftPrefix + module + ".lora_A.weight", factors.down);
    tensors.emplace_back(kPeftPrefix + module + ".lora_B.weight", factors.up);
  }
  write_json(folder.file("adapter_config.json"), adapter_config(vlm.folder, ranks));
  write_safetensors(folder.file("adapter_model.safetensors"), tensors, {{"format", "pt"}});
  folder.commit();
  return layers;
}

Patch read_peft_adapter(const Vlm& vlm, const std::string& folder) {
  const auto path = (fs::path(folder) / "adapter_config.json").string();
  if (!is_file(path))
    throw Error(kPeftPlace, fmt::format("'{}' has no adapter_config.json", folder),
                "give the folder that `save_pretrained` of a PEFT model wrote");
  const auto config = read_json_object(path);
  const JsonFields fields(path, config);
  check_config(fields);
  check_initialization(config, path);
  const auto rank = fields.integer("r", 8, 1, kMaxDimension);
  const auto alpha = fields.number("lora_alpha", 8, 0, 1e9);
  const bool root = fields.boolean("use_rslora", false);
  const Pattern alphas(config, "alpha_pattern", path), ranks(config, "rank_pattern", path);

  const auto architecture = architecture_of_folder(vlm.folder);
  const auto file = open_adapter(folder);
  Patch patch;
  for (const auto& [site, factors] : read_factors(*file, architecture)) {
    const auto& known = vlm.model->site(site);
    if (!factors.up.defined() || !factors.down.defined() ||
        factors.up.size(1) != factors.down.size(0) || factors.up.size(0) != known.out ||
        factors.down.size(1) != known.in)
      throw Error(
          kPeftPlace,
          fmt::format("the factors of '{}' in '{}' do not fit a layer with {} inputs and {} "
                      "outputs",
                      site, file->path(), known.in, known.out),
          "the adapter belongs to another model, or the file is damaged");
    const auto module = architecture.module_path(site);
    const auto own = factors.down.size(0);
    if (const auto told = ranks.of(module, static_cast<double>(rank)); told != own)
      throw Error(kPeftPlace,
                  fmt::format("'{}' gives the rank {} for '{}', but '{}' has {}", path, told, site,
                              file->path(), own),
                  "the files do not belong together; copy the adapter again");
    const auto scale =
        alphas.of(module, alpha) / (root ? std::sqrt(own) : static_cast<double>(own));
    patch.deltas.push_back({site, {{}, (factors.up * scale).contiguous(), factors.down}});
  }
  if (patch.deltas.empty())
    throw Error(kPeftPlace, fmt::format("'{}' has no tensors", file->path()),
                "the file is damaged; copy the adapter again");
  patch.base = vlm.fingerprint();
  patch.editor = "peft";
  patch.settings = {{"r", rank}, {"lora_alpha", alpha}, {"use_rslora", root}};
  patch.request = json::array();
  patch.effect = {{"imported_from", fs::weakly_canonical(folder).filename().string()}};
  patch.id = patch_id(patch);
  return patch;
}

}  // namespace emend
