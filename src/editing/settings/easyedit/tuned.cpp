#include <fmt/format.h>
#include <fmt/ranges.h>

#include "editing/settings/easyedit/algorithm.h"
#include "io/error.h"

// The files of FT and LoRA, in the form of language models (layers, rewrite_module_tmp or
// target_modules) and in that of models with pictures (inner_params, edit_lr), as VLKEB and
// MMKE-Bench release them.
namespace emend::easyedit {
namespace {

using nlohmann::json;

// The optimizer that a file of a model with pictures names.
void optimizer(File& file, const json& value) {
  const std::pair<const char*, const char*> known[] = {
      {"Adam", "adam"}, {"AdamW", "adamw"}, {"SGD", "sgd"}};
  for (const auto& [theirs, ours] : known)
    if (value == theirs) {
      file.settings["optimizer"] = ours;
      return;
    }
  file.wrong("opt", "Adam, AdamW or SGD");
}

// The files of models with pictures have a learning rate for training beside that of an edit.
void learning_rate(File& file) {
  const auto& values = file.values;
  if (values.contains("edit_lr")) {
    file.settings["lr"] = values["edit_lr"];
    if (values.contains("lr"))
      file.ignored.push_back({"lr", "edit_lr is the learning rate of an edit"});
  } else if (values.contains("lr")) {
    file.settings["lr"] = values["lr"];
  }
}

// Keys that the files of models with pictures share with editors that are trained.
std::vector<Key> untrained_keys() {
  const std::string trained = "only editors that are trained have it";
  std::vector<Key> keys;
  for (const char* name :
       {"lr_lr",     "lr_scale",     "cedit",         "iedit",     "cloc",
        "cbase",     "train_base",   "one_sided",     "n_hidden",  "hidden_dim",
        "init",      "norm",         "combine",       "x_only",    "delta_only",
        "act",       "rank",         "mlp_class",     "shared",    "archive",
        "max_iters", "val_interval", "accumulate_bs", "grad_clip", "early_stop_patience"})
    keys.push_back(ignore(name, trained));
  return keys + multimodal_keys();
}

std::vector<Key> common_keys() {
  return {later("alg_name"),
          later("model_name"),
          copy("num_steps", "steps"),
          later("lr"),
          later("edit_lr"),
          later("alg"),
          later("inner_params"),
          {"opt", optimizer, {}},
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
  learning_rate(file);
  if (!file.values.contains("rewrite_module_tmp") && file.values.contains("inner_params")) {
    file.settings["sites"] = inner_params(file).sites;
    file.settings["stop_loss"] = 0;  // as many steps as the file says
    if (!file.values.contains("opt")) file.settings["optimizer"] = "adamw";
    return;
  }
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

// Some files mean a layer's weights by an ending: "...q_proj.*".
std::string layer_name(const std::string& target) {
  const auto name = hugging_face_name(without_weight(target));
  return name.size() > 2 && name.ends_with(".*") ? name.substr(0, name.size() - 2) : name;
}

// PEFT takes every layer whose name is a target, or ends in one after a dot.
void lora_sites(File& file) {
  learning_rate(file);
  if (!file.values.contains("target_modules") && file.values.contains("inner_params")) {
    file.settings["sites"] = inner_params(file).sites;
    return;
  }
  if (!file.values.contains("target_modules"))
    throw Error("editing::hparams", fmt::format("'{}' has no 'target_modules'", file.path),
                "name layers, for example [q_proj, v_proj]");
  auto targets = file.values["target_modules"];
  if (targets.is_string()) targets = json::array({targets});
  std::vector<std::string> names;
  if (targets.is_array())
    for (const auto& target : targets)
      if (target.is_string() && !target.get<std::string>().empty())
        names.push_back(layer_name(target.get<std::string>()));
  if (names.empty() || names.size() != targets.size() || names.size() > 100)
    file.wrong("target_modules", "a list of layers' names, for example [q_proj, v_proj]");
  auto last = names.size() == 1 ? names[0] : fmt::format("{{{}}}", fmt::join(names, ","));
  auto layers = layers_glob(file);
  file.settings["sites"] = layers.empty() ? fmt::format("{{*.,}}{}", last)
                                          : fmt::format("*.layers.{}.{{*.,}}{}", layers, last);
}

}  // namespace

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
  return {
      "FT",
      "ft",
      {{"optimizer", "adam"}, {"stop_loss", 0.01}, {"end_of_answer", false}, {"adaptive", false}},
      common_keys() +
          std::vector<Key>{later("layers"),
                           later("rewrite_module_tmp"),
                           {"norm_constraint", constraint, {}},
                           {"objective_optimization", objective, {}},
                           ignore("layer_module_tmp", unread),
                           ignore("mlp_module_tmp", unread),
                           ignore("attn_module_tmp", unread),
                           ignore("ln_f_module", unread),
                           ignore("lm_head_module", unread)} +
          untrained_keys(),
      ft_sites,
      {}};
}

Algorithm lora() {
  auto type = [](File& file, const json& value) {
    if (value != "lora" && value != "adalora") file.wrong("lora_type", "lora or adalora");
  };
  return {"LoRA",
          "lora",
          {{"optimizer", "adam"}, {"stop_loss", 0}, {"end_of_answer", false}, {"adaptive", false}},
          common_keys() +
              std::vector<Key>{
                  later("layers"),
                  later("target_modules"),
                  copy("rank", "rank"),
                  copy("lora_alpha", "alpha"),
                  {"lora_type", type, "plain LoRA: AdaLoRA's rank would not adapt in one edit"},
                  ignore("lora_dropout", "no dropout, so that an edit is the same each time"),
                  ignore("norm_constraint", "EasyEdit's code does not read it for LoRA"),
                  ignore("sh_lr", "EasyEdit's code does not read it for LoRA")} +
              untrained_keys(),
          lora_sites,
          {}};
}

}  // namespace emend::easyedit
