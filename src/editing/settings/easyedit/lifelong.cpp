#include <regex>

#include "editing/settings/easyedit/algorithm.h"

// The files of UltraEdit and GRACE.
namespace emend::easyedit {
namespace {

using nlohmann::json;

std::vector<Key> lifelong_keys() {
  return std::vector<Key>{later("alg"),
                          later("alg_name"),
                          later("model_name"),
                          later("inner_params"),
                          ignore("class_name", "the model folder names the architecture"),
                          ignore("archive", "the state of an editor is in its patches"),
                          ignore("batch_size", "all requests of an edit form one batch"),
                          ignore("use_chat_template", "the protocol sets how a prompt is built"),
                          ignore("enable_thinking", "the protocol sets how a prompt is built")} +
         multimodal_keys();
}

// GRACE's files have Python's names of layers: model.layers[27].mlp.down_proj.weight.
void without_brackets(File& file) {
  if (!file.values.contains("inner_params") || !file.values["inner_params"].is_array()) return;
  for (auto& name : file.values["inner_params"])
    if (name.is_string())
      name = std::regex_replace(name.get<std::string>(), std::regex(R"(\[(\d{1,9})\])"), ".$1");
}

void edited_sites(File& file) {
  without_brackets(file);
  file.settings["sites"] = inner_params(file).sites;
}

void answer_token(File& file, const json& value) {
  if (value != "mask" && value != "ans") file.wrong("token", "mask or ans");
}

void replacement(File& file, const json& value) {
  if (value != "replace_last" && value != "replace_prompt" && value != "replace_all")
    file.wrong("replacement", "replace_last, replace_prompt or replace_all");
  file.settings["replacement"] = value.get<std::string>().substr(std::string("replace_").size());
}

}  // namespace

Algorithm ultraedit() {
  const std::string batches = "all requests of an edit form one batch";
  return {"UltraEdit",
          "ultraedit",
          {{"prior_rows", 0}, {"end_of_answer", false}},
          lifelong_keys() + std::vector<Key>{copy("lr", "lr"),
                                             {"token", answer_token, "keys are at the answer"},
                                             ignore("batch_size_once", batches),
                                             ignore("editor_batch_size", batches)},
          edited_sites,
          {}};
}

Algorithm grace() {
  const std::string start = "the optimization of the value is not perturbed";
  return {"GRACE",
          "grace",
          {{"stop_loss", 0}, {"end_of_answer", false}},
          lifelong_keys() +
              std::vector<Key>{copy("edit_lr", "lr"),
                               copy("n_iter", "steps"),
                               copy("eps", "eps"),
                               copy("val_init", "init"),
                               {"replacement", replacement, {}},
                               fixed("dist_fn", "euc", "distances are Euclidean"),
                               fixed("val_train", "sgd", "the value is trained by gradients"),
                               fixed("eps_expand", "coverage", "the radius grows to the distance"),
                               ignore("val_reg", "EasyEdit's code does not use it"),
                               ignore("reg", "EasyEdit's code does not use it"),
                               ignore("num_pert", start)},
          edited_sites,
          {}};
}

}  // namespace emend::easyedit
