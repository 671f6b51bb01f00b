#include "editing/hparams.h"

#include <fmt/format.h>

#include <filesystem>
#include <functional>

#include "editing/hparams_algorithm.h"
#include "io/error.h"
#include "io/json.h"
#include "io/yaml.h"

namespace emend {
namespace easyedit {

using nlohmann::json;

void File::wrong(const std::string& key, const std::string& wanted) const {
  auto shown = values.at(key).dump(-1, ' ', false, json::error_handler_t::replace);
  throw Error("editing::hparams", fmt::format("'{}' has {}: {}", path, key, shown.substr(0, 200)),
              fmt::format("it must be {}", wanted));
}

std::string File::text(const std::string& key) const {
  if (!values.contains(key))
    throw Error("editing::hparams", fmt::format("'{}' has no '{}'", path, key),
                "is it a hyper-parameter file of EasyEdit?");
  if (!values[key].is_string()) wrong(key, "text");
  return values[key].get<std::string>();
}

Key ignore(const std::string& name, const std::string& reason) { return {name, {}, reason}; }

Key encoder(const std::string& name, const std::string& reason,
            const std::function<void(File&, const std::string& folder)>& use) {
  return {
      name,
      [name, reason, use](File& file, const json& value) {
        if (!value.is_string() && !value.is_null()) file.wrong(name, "a folder's name");
        const auto folder = value.is_null() ? std::string() : value.get<std::string>();
        std::error_code error;
        if (std::filesystem::is_regular_file(std::filesystem::path(folder) / "config.json", error))
          use(file, folder);
        else
          file.ignored.push_back({name, reason});
      },
      {}};
}

Key copy(const std::string& name, const std::string& setting) {
  return {name, [setting](File& file, const json& value) { file.settings[setting] = value; }, {}};
}

Key later(const std::string& name) {
  return {name, [](File&, const json&) {}, {}};
}

std::vector<Key> operator+(std::vector<Key> keys, const std::vector<Key>& more) {
  keys.insert(keys.end(), more.begin(), more.end());
  return keys;
}

std::string hugging_face_name(std::string name) {
  for (auto [theirs, ours] :
       {std::pair{"opt_model.", "language_model."}, std::pair{"llama_model.", "language_model."},
        std::pair{"Qformer.bert.", "qformer."}, std::pair{"opt_proj", "language_projection"}})
    if (name.rfind(theirs, 0) == 0) return ours + name.substr(std::string(theirs).size());
  return name;
}

std::string without_weight(std::string name) {
  const std::string weight = ".weight";
  if (name.size() > weight.size() &&
      name.compare(name.size() - weight.size(), weight.size(), weight) == 0)
    name.resize(name.size() - weight.size());
  return name;
}

}  // namespace easyedit

namespace {

using namespace easyedit;  // NOLINT: the same subject in another file
using nlohmann::json;

std::vector<Key> common_keys() {
  return {later("alg_name"),
          later("model_name"),
          copy("num_steps", "steps"),
          copy("lr", "lr"),
          copy("weight_decay", "weight_decay"),
          ignore("device", "--device says where to compute"),
          ignore("model_parallel", "--device says where to compute"),
          ignore("batch_size", "all requests of an edit are one batch"),
          ignore("max_length", "requests are not cut"),
          ignore("kl_factor", "EasyEdit's code does not read it for this algorithm"),
          ignore("use_chat_template", "the protocol says how a prompt is built"),
          ignore("enable_thinking", "the protocol says how a prompt is built")};
}

// [21, 22] as part of a glob; empty when there are none.
std::string layers_glob(const File& file) {
  std::vector<int64_t> layers;
  if (!file.values.contains("layers")) return {};
  const auto& list = file.values["layers"];
  if (!list.is_array()) file.wrong("layers", "a list of layer numbers");
  for (const auto& layer : list) {
    if (!layer.is_number_integer() || layer.get<int64_t>() < 0 || layers.size() >= 1000)
      file.wrong("layers", "a list of layer numbers");
    layers.push_back(layer.get<int64_t>());
  }
  if (layers.size() == 1) return std::to_string(layers[0]);
  return layers.empty() ? "" : fmt::format("{{{}}}", fmt::join(layers, ","));
}

// FT takes every parameter whose name contains the template with a layer's number filled in.
void ft_sites(File& file) {
  auto name = hugging_face_name(file.text("rewrite_module_tmp"));
  auto layers = layers_glob(file);
  auto hole = name.find("{}");
  if (hole != std::string::npos) {
    if (layers.empty()) file.wrong("rewrite_module_tmp", "filled from 'layers', which names none");
    name.replace(hole, 2, layers);
  }
  const auto layer = without_weight(name);
  const bool whole = layer != name;
  name = layer;
  if (name.empty()) file.wrong("rewrite_module_tmp", "the name of a layer");
  file.settings["sites"] = "*" + name + (whole ? "" : "*");
}

// PEFT takes every layer whose name is a target, or ends in one after a dot.
void lora_sites(File& file) {
  if (!file.values.contains("target_modules"))
    throw Error("editing::hparams", fmt::format("'{}' has no 'target_modules'", file.path),
                "name layers, for example [q_proj, v_proj]");
  auto targets = file.values["target_modules"];
  if (targets.is_string()) targets = json::array({targets});
  std::vector<std::string> names;
  if (targets.is_array())
    for (const auto& target : targets)
      if (target.is_string() && !target.get<std::string>().empty())
        names.push_back(hugging_face_name(target.get<std::string>()));
  if (names.empty() || names.size() != targets.size() || names.size() > 100)
    file.wrong("target_modules", "a list of layers' names, for example [q_proj, v_proj]");
  auto last = names.size() == 1 ? names[0] : fmt::format("{{{}}}", fmt::join(names, ","));
  auto layers = layers_glob(file);
  file.settings["sites"] = layers.empty() ? fmt::format("{{*.,}}{}", last)
                                          : fmt::format("*.layers.{}.{{*.,}}{}", layers, last);
}

Algorithm ft() {
  auto constraint = [](File& file, const json& value) {
    if (value.is_null() || value == json(false)) return;
    if (!value.is_number()) file.wrong("norm_constraint", "false or a number");
    file.settings["norm_constraint"] = value;
  };
  auto objective = [](File& file, const json& value) {
    if (value != "prompt_last" && value != "target_new")
      file.wrong("objective_optimization", "prompt_last or target_new");
    file.settings["objective"] = value == "prompt_last" ? "prompt_last" : "target";
  };
  const std::string unread = "rewrite_module_tmp alone says what is edited";
  return {"FT",
          "ft",
          {{"optimizer", "adam"}, {"stop_loss", 0.01}, {"end_of_answer", false}},
          common_keys() + std::vector<Key>{later("layers"),
                                           later("rewrite_module_tmp"),
                                           {"norm_constraint", constraint, {}},
                                           {"objective_optimization", objective, {}},
                                           ignore("layer_module_tmp", unread),
                                           ignore("mlp_module_tmp", unread),
                                           ignore("attn_module_tmp", unread),
                                           ignore("ln_f_module", unread),
                                           ignore("lm_head_module", unread)},
          ft_sites,
          {}};
}

Algorithm lora() {
  auto type = [](File& file, const json& value) {
    if (value != "lora" && value != "adalora") file.wrong("lora_type", "lora or adalora");
  };
  return {"LoRA",
          "lora",
          {{"optimizer", "adam"}, {"stop_loss", 0}, {"end_of_answer", false}},
          common_keys() +
              std::vector<Key>{
                  later("layers"),
                  later("target_modules"),
                  copy("rank", "rank"),
                  copy("lora_alpha", "alpha"),
                  {"lora_type", type, "plain LoRA: AdaLoRA's rank would not adapt in one edit"},
                  ignore("lora_dropout", "no dropout, so that an edit is the same each time"),
                  ignore("norm_constraint", "EasyEdit's code does not read it for LoRA"),
                  ignore("sh_lr", "EasyEdit's code does not read it for LoRA")},
          lora_sites,
          {}};
}

std::vector<Algorithm> algorithms() {
  return {ft(), lora(), ike(), ke(), mend(), serac("SERAC"), serac("SERAC_MULTI")};
}

Algorithm algorithm_of(const File& file) {
  // The files of hparams/TRAINING have `alg` alone.
  const bool trains = !file.values.contains("alg_name") && file.values.contains("alg");
  const std::string key = trains ? "alg" : "alg_name";
  auto name = file.text(key);
  std::vector<std::string> known;
  for (const auto& algorithm : algorithms()) {
    if (algorithm.name == name) return algorithm;
    known.push_back(algorithm.name);
  }
  file.wrong(key, fmt::format("an algorithm that emend has: {}", fmt::join(known, ", ")));
}

}  // namespace

Hparams read_hparams(const std::string& path) {
  namespace fs = std::filesystem;
  File file{path, fs::path(path).extension() == ".json" ? read_json(path) : read_yaml(path)};
  if (!file.values.is_object())
    throw Error("editing::hparams", fmt::format("'{}' holds no names and values", path),
                "is it a hyper-parameter file of EasyEdit?");
  auto algorithm = algorithm_of(file);
  Hparams result;
  result.algorithm = algorithm.name;
  if (file.values.contains("model_name")) result.model_name = file.text("model_name");
  file.settings = algorithm.defaults;
  std::vector<std::string> unknown;
  for (const auto& [name, value] : file.values.items()) {
    auto key = std::find_if(algorithm.keys.begin(), algorithm.keys.end(),
                            [&name = name](const Key& k) { return k.name == name; });
    if (key == algorithm.keys.end()) {
      unknown.push_back(name.substr(0, 100));
      continue;
    }
    if (key->use) key->use(file, value);
    if (!key->ignored.empty()) file.ignored.push_back({name, key->ignored});
  }
  if (!unknown.empty())
    throw Error("editing::hparams",
                fmt::format("'{}' has keys that {} does not know: {}", path, algorithm.name,
                            fmt::join(unknown, ", ")),
                "take them out, or correct their names");
  algorithm.finish(file);
  result.spec = {fmt::format("{} ({})", algorithm.editor, fs::path(path).stem().string()),
                 algorithm.editor, file.settings};
  result.training = file.training;
  result.ignored = result.ignored_in_training = file.ignored;
  for (const auto& key : file.trains)
    result.ignored.push_back({key, "`emend train --hparams` reads it"});
  try {
    make_editor(result.spec.name, result.spec.settings);
    if (algorithm.check_training) algorithm.check_training(file.training);
  } catch (const Error& error) {
    std::string what = error.what();
    throw Error("editing::hparams",
                fmt::format("'{}': {}", path, what.substr(what.find("] ") + 2)));
  }
  return result;
}

}  // namespace emend
