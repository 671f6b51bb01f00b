#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "editing/editors/hyper/ke_training.h"
#include "editing/editors/hyper/mend_training.h"
#include "editing/editors/serac/training.h"
#include "editing/settings/easyedit/algorithm.h"

namespace emend::easyedit {
namespace {

using nlohmann::json;

// Read by training alone.
Key train(const std::string& name, const std::string& setting) {
  return {name,
          [name, setting](File& file, const json& value) {
            file.training[setting] = value;
            file.trains.push_back(name);
          },
          {}};
}

// A choice that emend leaves no choice of.
Key fixed(const std::string& name, const json& only, const std::string& reason) {
  return {name,
          [name, only](File& file, const json& value) {
            if (value != only)
              file.wrong(name, fmt::format("{}; there is no other here", only.dump()));
          },
          reason};
}

std::vector<Key> trained_keys() {
  auto archive = [](File& file, const json& value) {
    if (value.is_null()) return;
    if (!value.is_string()) file.wrong("archive", "null or a checkpoint's name");
    const auto name = value.get<std::string>();
    const std::string ending = ".safetensors";
    if (name.size() > ending.size() &&
        name.compare(name.size() - ending.size(), ending.size(), ending) == 0)
      file.settings["checkpoint"] = name;
    else
      file.ignored.push_back(
          {"archive", "EasyEdit's trained editors are not read; train one here"});
  };
  return std::vector<Key>{later("alg"),
                          later("alg_name"),
                          later("model_name"),
                          later("inner_params"),
                          later("cedit"),
                          later("iedit"),
                          later("early_stop_patience"),
                          {"archive", archive, {}},
                          train("cloc", "locality_weight"),
                          train("lr", "lr"),
                          train("batch_size", "batch"),
                          train("accumulate_bs", "accumulate"),
                          train("max_iters", "steps"),
                          train("val_interval", "validate"),
                          train("grad_clip", "clip"),
                          fixed("opt", "Adam", "it is Adam"),
                          fixed("train_base", false, "base weights are never written"),
                          fixed("lr_scale", 1.0, "an edit is applied as it is")} +
         multimodal_keys();
}

// The weights that are edited, and the module that they are in.
void trained_sites(File& file) {
  auto found = inner_params(file);
  if (found.module == "projection") found.module = "language";  // the sites alone say it
  file.settings["module"] = found.module;
  file.training["module"] = found.module;
  file.training["sites"] = found.sites;
}

// EasyEdit counts patience in steps, emend in validations.
void patience(File& file) {
  const auto& values = file.values;
  if (!values.contains("early_stop_patience")) return;
  const auto& patience = values["early_stop_patience"];
  if (!patience.is_number() || patience < 0) file.wrong("early_stop_patience", "a number of steps");
  file.trains.push_back("early_stop_patience");
  double interval = 1;
  if (values.contains("val_interval") && values["val_interval"].is_number())
    interval = std::max(1.0, values["val_interval"].get<double>());
  file.training["patience"] =
      static_cast<int64_t>(std::min(1e6, std::ceil(patience.get<double>() / interval)));
}

// One weight for what has to follow, be it in other words or with another picture.
void edit_weight(File& file) {
  const auto& values = file.values;
  for (const char* key : {"cedit", "iedit"})
    if (values.contains(key)) file.trains.push_back(key);
  if (values.contains("cedit")) file.training["edit_weight"] = values["cedit"];
  if (values.contains("iedit") && (!values.contains("cedit") || values["iedit"] != values["cedit"]))
    file.wrong("iedit", "what cedit is: one weight is for both");
}

void finish_trained(File& file) {
  trained_sites(file);
  patience(file);
  edit_weight(file);
}

}  // namespace

std::vector<Key> multimodal_keys() {
  const std::string folder = "-m names the model's folder, which says all";
  const std::string told = "emend train says how it goes at each validation";
  return {ignore("name", folder),
          ignore("model_class", folder),
          ignore("tokenizer_class", folder),
          ignore("tokenizer_name", folder),
          ignore("qformer_checkpoint", folder),
          ignore("qformer_name_or_path", folder),
          ignore("state_dict_file", folder),
          ignore("pretrained_ckpt", folder),
          ignore("freeze_qformer", folder),
          ignore("device", "--device says where to compute"),
          ignore("model_parallel", "--device says where to compute"),
          ignore("half", "--dtype says how to compute"),
          ignore("seed", "--seed says it"),
          ignore("cbase", "the base model is not trained"),
          ignore("dropout", "no dropout: an edit is the same each time"),
          ignore("no_grad_layers", "gradients go no further than they are needed"),
          ignore("max_length", "requests are not cut"),
          ignore("max_output_length", "the protocol says how much is generated"),
          ignore("exact_match", "the protocol says how answers are judged"),
          ignore("coco_image", "--images names the folder"),
          ignore("rephrase_image", "--rephrase-images names the folder"),
          ignore("results_dir", "-o names the checkpoint"),
          ignore("max_epochs", "steps are counted"),
          ignore("model_save_pt", "the state is saved at each validation"),
          ignore("save", "the state is saved at each validation"),
          ignore("eval_only", "emend bench measures"),
          ignore("final_eval", "emend bench measures"),
          ignore("val_batch_size", "records are validated one by one"),
          ignore("val_steps", "EasyEdit reads it in debugging only"),
          ignore("early_stop_key", "validation's mean score decides"),
          ignore("log_interval", told),
          ignore("eval_log_interval", told),
          ignore("silent", told),
          ignore("verbose", told),
          ignore("debug", told)};
}

Algorithm mend() {
  const std::string as_published = "emend's MEND is the published one";
  return {"MEND",
          "mend",
          json::object(),
          trained_keys() +
              std::vector<Key>{
                  train("edit_lr", "rate"), train("lr_lr", "rates_lr"), train("rank", "rank"),
                  fixed("one_sided", false, as_published), fixed("n_hidden", 1, as_published),
                  fixed("init", "id", as_published), fixed("norm", true, as_published),
                  fixed("combine", true, as_published), fixed("x_only", false, as_published),
                  fixed("delta_only", false, as_published), fixed("act", "relu", as_published),
                  fixed("mlp_class", "IDMLP", as_published), fixed("shared", true, as_published),
                  ignore("hidden_dim", "rank says the networks' width")},
          finish_trained,
          [](const json& given) { read_settings<MendTrainSettings>("mend", given); }};
}

Algorithm ke() {
  return {
      "KE",
      "ke",
      json::object(),
      trained_keys() + std::vector<Key>{ignore("edit_lr", "KE's networks say how far a step goes"),
                                        ignore("lr_lr",
                                               "EasyEdit's KE has no learned rates; emend's learns "
                                               "a multiplier, whose rate is the paper's")},
      finish_trained,
      [](const json& given) { read_settings<KeTrainSettings>("ke", given); }};
}

namespace {

// EasyEdit mixes softly unless both say otherwise.
void finish_serac(File& file) {
  patience(file);
  const auto says = [&](const char* key) {
    const auto value = file.values.value(key, json(false));
    if (!value.is_boolean()) file.wrong(key, "true or false");
    return value.get<bool>();
  };
  file.settings["mix"] = says("supervised") && !says("soft_weighting") ? "hard" : "soft";
  file.training["module"] = "paper";
}

}  // namespace

Algorithm serac(const std::string& name) {
  const std::string losses = "scope_weight and edit_weight weigh the losses of SERAC's two parts";
  const std::string as_published = "emend's SERAC compares squared distances of one embedding";
  const std::string own = "classifier and counterfactual model are made from the model itself";
  const auto classifier = encoder("cls_name", own + "; there is no such folder here",
                                  [](File& file, const std::string& found) {
                                    file.settings["encoder"] = file.training["encoder"] = found;
                                  });
  // The first of a name counts.
  return {name,
          "serac",
          {{"module", "paper"}},
          std::vector<Key>{later("supervised"),
                           later("soft_weighting"),
                           ignore("cedit", losses),
                           ignore("iedit", losses),
                           ignore("cloc", losses),
                           ignore("inner_params", "SERAC changes no weights"),
                           ignore("edit_lr", "SERAC takes no steps in an edit"),
                           ignore("lr_lr", "SERAC takes no steps in an edit"),
                           ignore("small_name", own),
                           classifier,
                           ignore("cls_class", own),
                           ignore("unlikelihood", "the losses are those of emend's SERAC"),
                           ignore("use_all_negatives", "all questions of a step are negatives"),
                           ignore("edit_bs", "batch says how many edits a step has"),
                           ignore("checkpoint_grad", "memory is not traded for time"),
                           ignore("log_errors", "emend train says how it goes"),
                           fixed("cross_attend", false, as_published),
                           fixed("cos", false, as_published),
                           fixed("square", true, as_published),
                           fixed("bound_embeds", false, as_published),
                           fixed("dist_heads", 1, as_published),
                           fixed("lora", nullptr, own),
                           fixed("freeze", nullptr, own),
                           fixed("freeze_cntr", false, "the counterfactual model is trained")} +
              trained_keys(),
          finish_serac,
          [](const json& given) { read_settings<SeracTrainSettings>("serac", given); }};
}

}  // namespace emend::easyedit
