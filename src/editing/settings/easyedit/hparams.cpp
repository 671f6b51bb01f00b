#include "editing/settings/easyedit/hparams.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <functional>

#include "editing/settings/easyedit/algorithm.h"
#include "io/error.h"
#include "io/json/json.h"
#include "io/json/yaml.h"

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
    throw Error("editing::hparams", fmt::format("'{}' is missing the key '{}'", path, key),
                "check that it is a hyperparameter file of EasyEdit");
  if (!values[key].is_string()) wrong(key, "text");
  return values[key].get<std::string>();
}

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

std::string rewrite_sites(const File& file) {
  auto name = hugging_face_name(file.text("rewrite_module_tmp"));
  auto layers = layers_glob(file);
  auto hole = name.find("{}");
  if (hole != std::string::npos) {
    if (layers.empty())
      file.wrong("rewrite_module_tmp", "used with a list 'layers' that is not empty");
    name.replace(hole, 2, layers);
  }
  const auto layer = without_weight(name);
  const bool whole = layer != name;
  name = layer;
  if (name.empty()) file.wrong("rewrite_module_tmp", "the name of a layer");
  return "*" + name + (whole ? "" : "*");
}

Key ignore(const std::string& name, const std::string& reason) { return {name, {}, reason}; }

Key encoder(const std::string& name, const std::string& reason,
            const std::function<void(File&, const std::string& folder)>& use) {
  return {
      name,
      [name, reason, use](File& file, const json& value) {
        if (!value.is_string() && !value.is_null()) file.wrong(name, "the name of a folder");
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

Key fixed(const std::string& name, const json& only, const std::string& reason) {
  return {name,
          [name, only](File& file, const json& value) {
            if (value != only)
              file.wrong(name, fmt::format("{}, the only implemented value", only.dump()));
          },
          reason};
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
        std::pair{"Qformer.bert.", "qformer."}, std::pair{"Qformer", "qformer.*"},
        std::pair{"opt_proj", "language_projection"},
        std::pair{"llama_proj", "language_projection"},
        std::pair{"model.mm_projector.0", "multi_modal_projector.linear_1"},
        std::pair{"model.mm_projector.2", "multi_modal_projector.linear_2"},
        std::pair{"mm_projector", "multi_modal_projector.*"}})
    if (name.starts_with(theirs)) return ours + name.substr(std::string(theirs).size());
  return name;
}

std::string without_weight(std::string name) {
  const std::string weight = ".weight";
  if (name.size() > weight.size() && name.ends_with(weight))
    name.resize(name.size() - weight.size());
  return name;
}

InnerParams inner_params(File& file) {
  if (!file.values.contains("inner_params")) file.text("inner_params");
  const auto& list = file.values["inner_params"];
  std::vector<std::string> names, biases;
  if (list.is_array())
    for (const auto& given : list) {
      if (!given.is_string() || given.get<std::string>().empty()) continue;
      const auto name = given.get<std::string>();
      if (name.ends_with(".bias"))
        biases.push_back(name);
      else
        names.push_back(hugging_face_name(without_weight(name)));
    }
  if (names.empty() || names.size() + biases.size() != list.size() || list.size() > 1000)
    file.wrong("inner_params", "a list of weight names");
  if (!biases.empty())
    file.ignored.push_back(
        {"inner_params", fmt::format("biases are not edited, and {} {} one: {}", biases.size(),
                                     biases.size() == 1 ? "is" : "are", fmt::join(biases, ", "))});
  InnerParams found;
  const auto& first = names.front();
  found.module = "language";
  if (first.starts_with("qformer.")) found.module = "connector";
  if (first.starts_with("multi_modal_projector") || first == "language_projection")
    found.module = "projector";
  if (first.starts_with("visual") || first.starts_with("vision_model") ||
      first.starts_with("vision_tower"))
    found.module = "vision_tower";
  found.sites = names.size() == 1 ? fmt::format("{{*.,}}{}", first)
                                  : fmt::format("{{*.,}}{{{}}}", fmt::join(names, ","));
  return found;
}

}  // namespace easyedit

namespace {

using namespace easyedit;  // NOLINT: the same subject in another file
using nlohmann::json;

std::vector<Algorithm> algorithms() {
  return {ft(),
          lora(),
          ike(),
          ke(),
          mend(),
          serac("SERAC"),
          serac("SERAC_MULTI"),
          rome("ROME"),
          rome("R-ROME"),
          memit(),
          alphaedit(),
          ultraedit(),
          grace(),
          wise()};
}

// The alias "ft" of FT is needed, because `alg` can differ from `alg_name`.
bool same_algorithm(const std::string& a, const std::string& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

Algorithm algorithm_of(const File& file) {
  // The files of hparams/TRAINING have only `alg`.
  const bool trains = !file.values.contains("alg_name") && file.values.contains("alg");
  const std::string key = trains ? "alg" : "alg_name";
  auto name = file.text(key);
  std::vector<std::string> known;
  for (const auto& algorithm : algorithms()) {
    if (same_algorithm(algorithm.name, name)) return algorithm;
    known.push_back(algorithm.name);
  }
  file.wrong(key, fmt::format("one of the supported algorithms: {}", fmt::join(known, ", ")));
}

}  // namespace

Hparams read_hparams(const std::string& path) {
  namespace fs = std::filesystem;
  File file{path, fs::path(path).extension() == ".json" ? read_json(path) : read_yaml(path)};
  if (!file.values.is_object())
    throw Error("editing::hparams", fmt::format("'{}' is not a mapping of names to values", path),
                "check that it is a hyperparameter file of EasyEdit");
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
                fmt::format("'{}' has keys that are unknown for {}: {}", path, algorithm.name,
                            fmt::join(unknown, ", ")),
                "remove the keys, or correct their names");
  algorithm.finish(file);
  result.spec = {fmt::format("{} ({})", algorithm.editor, fs::path(path).stem().string()),
                 algorithm.editor, file.settings};
  result.training = file.training;
  result.ignored = result.ignored_in_training = file.ignored;
  for (const auto& key : file.trains)
    result.ignored.push_back({key, "only `emend train --hparams` uses it"});
  try {
    make_editor(result.spec.name, result.spec.settings);
    if (algorithm.check_training) algorithm.check_training(file.training);
  } catch (const Error& error) {
    throw Error("editing::hparams", fmt::format("'{}': {}", path, without_places(error.what())));
  }
  return result;
}

}  // namespace emend
