#include <regex>

#include "editing/settings/easyedit/algorithm.h"

// The files of WISE.
namespace emend::easyedit {
namespace {

using nlohmann::json;

void act_margin(File& file, const json& value) {
  const auto refuse = [&] { file.wrong("act_margin", "a list of three numbers"); };
  if (!value.is_array() || value.size() != 3) refuse();
  const char* const names[] = {"margin_out", "margin_in", "margin_gap"};
  for (size_t i = 0; i < 3; ++i) {
    if (!value[i].is_number()) refuse();
    file.settings[names[i]] = value[i];
  }
}

// One number, or a list of equal numbers, because all shards have one density.
void densities(File& file, const json& value) {
  const auto first = value.is_array() && !value.empty() ? value.front() : value;
  if (!first.is_number()) file.wrong("densities", "a number");
  if (value.is_array())
    for (const auto& other : value)
      if (other != first) file.wrong("densities", "equal numbers, because shards are alike");
  file.settings["density"] = first;
}

void merge_algorithm(File& file, const json& value) {
  if (value != "ties") file.wrong("merge_alg", "ties, the only implemented value");
}

void wise_objective(File& file, const json& value) {
  if (value != "only_label") file.wrong("objective_optimization", "only_label");
}

// Files of WISE write the number of a block in brackets: layers[27].
void side_layer(File& file) {
  auto& list = file.values["inner_params"];
  if (list.is_array())
    for (auto& name : list)
      if (name.is_string() && name.get<std::string>().size() < 1000)
        name = std::regex_replace(name.get<std::string>(), std::regex("\\[([0-9]+)\\]"), ".$1");
  file.settings["sites"] = inner_params(file).sites;
}

}  // namespace

Algorithm wise() {
  const std::string stack = "patches can be applied, stacked and removed";
  return {
      "WISE",
      "wise",
      {{"relative", false}, {"end_of_answer", false}, {"altered_pictures", 0}, {"unrelated", 1}},
      multimodal_keys() +
          std::vector<Key>{
              later("alg_name"),
              later("model_name"),
              later("inner_params"),
              copy("mask_ratio", "mask_ratio"),
              copy("edit_lr", "lr"),
              copy("n_iter", "steps"),
              copy("norm_constraint", "norm_constraint"),
              {"act_margin", act_margin, {}},
              copy("act_ratio", "act_ratio"),
              copy("save_freq", "save_freq"),
              copy("retrieve", "retrieve"),
              {"densities", densities, {}},
              {"merge_alg", merge_algorithm, {}},
              {"objective_optimization", wise_objective, {}},
              ignore("merge_freq", "shards are merged whenever a memory is read"),
              ignore("weights", "all shards have the same weight"),
              ignore("replay", "earlier edits are not trained again"),
              ignore("hidden_act", "the activation is that of the layer's output"),
              ignore("alg", "alg_name selects the algorithm"),
              ignore("sequential_edit", "--mode selects how edits follow each other"),
              ignore("batch_size", "all requests of an edit are trained one after another"),
              ignore("dtype", "--dtype sets the precision"),
              ignore("file_type", "--suite selects the data"),
              ignore("use_chat_template", "the protocol sets how a prompt is built"),
              ignore("enable_thinking", "the protocol sets how a prompt is built"),
              ignore("save_path", stack),
              ignore("load_path", stack)},
      side_layer,
      {}};
}

}  // namespace emend::easyedit
