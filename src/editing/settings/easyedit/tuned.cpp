#include <fmt/format.h>
#include <fmt/ranges.h>

#include "editing/settings/easyedit/algorithm.h"
#include "io/error.h"

// The files of FT and LoRA, for language models (layers, rewrite_module_tmp or target_modules) and
// for vision-language models (inner_params, edit_lr), as VLKEB and MMKE-Bench release them.
namespace emend::easyedit {
namespace {

using nlohmann::json;

// The optimizer in a file for vision-language models.
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

// Files for vision-language models have one learning rate for training and one for an edit.
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

// Keys that files for vision-language models share with trained editors.
std::vector<Key> untrained_keys() {
  const std::string trained = "only trained editors use it";
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
          ignore("device", "--device sets the device"),
          ignore("model_parallel", "--device sets the device"),
          ignore("batch_size", "all requests of an edit form one batch"),
          ignore("max_length", "requests are not truncated"),
          ignore("kl_factor", "EasyEdit's code does not use it for this algorithm"),
          ignore("use_chat_template", "the protocol sets how a prompt is built"),
          ignore("enable_thinking", "the protocol sets how a prompt is built")};
}

// EasyEdit's FT edits every parameter whose name contains the template with a layer number in it.
void ft_sites(File& file) {
  learning_rate(file);
  if (!file.values.contains("rewrite_module_tmp") && file.values.contains("inner_params")) {
    file.settings["sites"] = inner_params(file).sites;
    file.settings["stop_loss"] = 0;  // the file sets the number of steps
    if (!file.values.contains("opt")) file.settings["optimizer"] = "adamw";
    return;
  }
  file.settings["sites"] = rewrite_sites(file);
}

// Some files name the weights of a layer by the suffix ".*", for example "...q_proj.*".
std::string layer_name(const std::string& target) {
  const auto name = hugging_face_name(without_weight(target));
  return name.size() > 2 && name.ends_with(".*") ? name.substr(0, name.size() - 2) : name;
}

// PEFT selects every layer whose name is equal to a target, or ends with a dot and a target.
void lora_sites(File& file) {
  learning_rate(file);
  if (!file.values.contains("target_modules") && file.values.contains("inner_params")) {
    file.settings["sites"] = inner_params(file).sites;
    return;
  }
  if (!file.values.contains("target_modules"))
    throw Error("editing::hparams",
                fmt::format("'{}' is missing the key 'target_modules'", file.path),
                "list layers, for example [q_proj, v_proj]");
  auto targets = file.values["target_modules"];
  if (targets.is_string()) targets = json::array({targets});
  std::vector<std::string> names;
  if (targets.is_array())
    for (const auto& target : targets)
      if (target.is_string() && !target.get<std::string>().empty())
        names.push_back(layer_name(target.get<std::string>()));
  if (names.empty() || names.size() != targets.size() || names.size() > 100)
    file.wrong("target_modules", "a list of layer names, for example [q_proj, v_proj]");
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
  const std::string unread = "rewrite_module_tmp selects the edited weights";
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
                  {"lora_type", type,
                   "LoRA with a fixed rank is used: AdaLoRA's rank would not adapt in one edit"},
                  ignore("lora_dropout", "dropout is off, so that an edit is reproducible"),
                  ignore("norm_constraint", "EasyEdit's code does not use it for LoRA"),
                  ignore("sh_lr", "EasyEdit's code does not use it for LoRA")} +
              untrained_keys(),
          lora_sites,
          {}};
}

}  // namespace emend::easyedit
