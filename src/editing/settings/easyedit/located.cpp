#include <fmt/format.h>

#include <algorithm>

#include "editing/settings/easyedit/algorithm.h"

// The files of ROME, R-ROME, MEMIT and AlphaEdit.
namespace emend::easyedit {
namespace {

using nlohmann::json;

void fact_token(File& file, const json& value) {
  if (value == "subject_last")
    file.settings["lookup"] = "subject";
  else if (value == "last")
    file.settings["lookup"] = "last";
  else
    file.wrong("fact_token", "subject_last or last");
}

void second_moments(File& file, const json& value) {
  if (!value.is_boolean()) file.wrong("mom2_adjustment", "true or false");
  if (!value.get<bool>()) file.settings["statistics"] = "none";
}

// [[length, count], ...]: prefixes of several lengths; the longest is taken for all.
void context_templates(File& file, const json& value) {
  const auto refuse = [&] {
    file.wrong("context_template_length_params", "a list of pairs [length, count]");
  };
  if (!value.is_array() || value.empty() || value.size() > 100) refuse();
  int64_t count = 0, length = 1;
  bool several = false;
  for (const auto& pair : value) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number_integer() ||
        !pair[1].is_number_integer())
      refuse();
    const auto tokens = pair[0].get<int64_t>(), prefixes = pair[1].get<int64_t>();
    if (tokens < 1 || tokens > 1000 || prefixes < 0 || prefixes > 1000) refuse();
    several |= count > 0 && tokens != length;
    count += prefixes;
    length = std::max(length, tokens);
  }
  if (count > 1000) refuse();
  file.settings["prefixes"] = count;
  file.settings["prefix_length"] = length;
  if (several)
    file.ignored.push_back({"context_template_length_params",
                            fmt::format("all prefixes have the longest length, {}", length)});
}

std::vector<Key> located_keys() {
  const std::string unread = "rewrite_module_tmp selects the edited weights";
  const std::string collected = "`emend stats` computes the statistics";
  return {later("alg_name"),
          later("model_name"),
          later("layers"),
          later("rewrite_module_tmp"),
          {"fact_token", fact_token, {}},
          copy("v_num_grad_steps", "steps"),
          copy("v_lr", "lr"),
          copy("v_weight_decay", "weight_decay"),
          copy("clamp_norm_factor", "clamp_norm_factor"),
          copy("kl_factor", "kl_factor"),
          {"mom2_adjustment", second_moments, {}},
          ignore("v_loss_layer", "the loss is always that of the model's output"),
          ignore("layer_selection", "layers selects the edited blocks"),
          ignore("layer_module_tmp", unread),
          ignore("mlp_module_tmp", unread),
          ignore("attn_module_tmp", unread),
          ignore("ln_f_module", "the model's own head is used"),
          ignore("lm_head_module", "the model's own head is used"),
          ignore("mom2_dataset", collected),
          ignore("mom2_n_samples", collected),
          ignore("mom2_dtype", collected),
          ignore("stats_dir", collected),
          ignore("device", "--device sets the device"),
          ignore("model_parallel", "--device sets the device"),
          ignore("fp16", "--dtype sets the precision"),
          ignore("batch_size", "all requests of an edit form one batch"),
          ignore("max_length", "requests are not truncated"),
          ignore("use_chat_template", "the protocol sets how a prompt is built"),
          ignore("enable_thinking", "the protocol sets how a prompt is built")};
}

void located_sites_of_file(File& file) { file.settings["sites"] = rewrite_sites(file); }

json published(json settings) {
  settings.update({{"end_of_answer", false},
                   {"altered_pictures", 0},
                   {"ridge", 0},
                   {"adaptive", false},
                   {"keys", "mean"}});
  return settings;
}

}  // namespace

Algorithm rome(const std::string& name) {
  auto keys =
      located_keys() + std::vector<Key>{{"context_template_length_params", context_templates, {}}};
  if (name != "ROME")  // choices of R-ROME's code: only the averaged key is R-ROME
    keys = keys + std::vector<Key>{
                      fixed("original_implementation", false, "alg_name: ROME selects it"),
                      fixed("enable_random_prefix_keys", true, "keys are averaged over prefixes"),
                      fixed("enable_prompt_keys", false, "keys are averaged over prefixes")};
  return {name,
          "rome",
          published({{"variant", name == "ROME" ? "original" : "average"}, {"prefixes", 20}}),
          keys,
          located_sites_of_file,
          {}};
}

Algorithm memit() {
  return {"MEMIT",
          "memit",
          published({{"history", false}}),
          located_keys() + std::vector<Key>{copy("mom2_update_weight", "update_weight")},
          located_sites_of_file,
          {}};
}

Algorithm alphaedit() {
  return {"AlphaEdit",
          "alphaedit",
          published({}),
          located_keys() +
              std::vector<Key>{
                  copy("nullspace_threshold", "nullspace_threshold"), copy("L2", "l2"),
                  ignore("mom2_update_weight", "EasyEdit's code does not use it for AlphaEdit"),
                  ignore("P_loc", "the null space is computed from the statistics")},
          located_sites_of_file,
          {}};
}

}  // namespace emend::easyedit
