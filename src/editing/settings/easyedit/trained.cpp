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

// A key that only training uses.
Key train(const std::string& name, const std::string& setting) {
  return {name,
          [name, setting](File& file, const json& value) {
            file.training[setting] = value;
            file.trains.push_back(name);
          },
          {}};
}

std::vector<Key> trained_keys() {
  auto archive = [](File& file, const json& value) {
    if (value.is_null()) return;
    if (!value.is_string()) file.wrong("archive", "null or the name of a checkpoint");
    const auto name = value.get<std::string>();
    const std::string ending = ".safetensors";
    if (name.size() > ending.size() &&
        name.compare(name.size() - ending.size(), ending.size(), ending) == 0)
      file.settings["checkpoint"] = name;
    else
      file.ignored.push_back(
          {"archive", "trained editors of EasyEdit cannot be read; train one with emend"});
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
                          fixed("opt", "Adam", "Adam is always used"),
                          fixed("train_base", false, "base weights are never written"),
                          fixed("lr_scale", 1.0, "an edit is applied unscaled")} +
         multimodal_keys();
}

// The weights that are edited, and their module.
void trained_sites(File& file) {
  auto found = inner_params(file);
  if (found.module == "projector") found.module = "language";  // the sites identify it
  file.settings["module"] = found.module;
  file.training["module"] = found.module;
  file.settings["sites"] = file.training["sites"] = found.sites;
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

// emend has one weight for generality with another text or another picture.
void edit_weight(File& file) {
  const auto& values = file.values;
  for (const char* key : {"cedit", "iedit"})
    if (values.contains(key)) file.trains.push_back(key);
  if (values.contains("cedit")) file.training["edit_weight"] = values["cedit"];
  if (values.contains("iedit") && (!values.contains("cedit") || values["iedit"] != values["cedit"]))
    file.wrong("iedit", "equal to cedit, because emend has one weight for both");
}

void finish_trained(File& file) {
  trained_sites(file);
  patience(file);
  edit_weight(file);
}

}  // namespace

std::vector<Key> multimodal_keys() {
  const std::string folder = "-m sets the model folder, which has all parts";
  const std::string told = "emend train reports progress at each validation";
  return {ignore("name", folder),
          ignore("model_class", folder),
          ignore("tokenizer_class", folder),
          ignore("tokenizer_name", folder),
          ignore("qformer_checkpoint", folder),
          ignore("qformer_name_or_path", folder),
          ignore("state_dict_file", folder),
          ignore("pretrained_ckpt", folder),
          ignore("freeze_qformer", folder),
          ignore("device", "--device sets the device"),
          ignore("model_parallel", "--device sets the device"),
          ignore("half", "--dtype sets the dtype"),
          ignore("seed", "--seed sets the seed"),
          ignore("cbase", "the base model is not trained"),
          ignore("dropout", "dropout is off, so that an edit is reproducible"),
          ignore("no_grad_layers", "gradients are computed only where they are needed"),
          ignore("max_length", "requests are not truncated"),
          ignore("max_output_length", "the protocol sets the number of generated tokens"),
          ignore("exact_match", "the protocol sets how answers are judged"),
          ignore("coco_image", "--images sets the folder"),
          ignore("rephrase_image", "--rephrase-images sets the folder"),
          ignore("results_dir", "-o sets the checkpoint"),
          ignore("max_epochs", "training is limited by steps"),
          ignore("model_save_pt", "the state is saved at each validation"),
          ignore("save", "the state is saved at each validation"),
          ignore("eval_only", "emend bench measures"),
          ignore("final_eval", "emend bench measures"),
          ignore("val_batch_size", "records are validated one by one"),
          ignore("val_steps", "EasyEdit uses it only for debugging"),
          ignore("early_stop_key", "the mean validation score selects the checkpoint"),
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
                  ignore("hidden_dim", "rank sets the width of the networks")},
          finish_trained,
          [](const json& given) { read_settings<MendTrainingSettings>("mend", given); }};
}

Algorithm ke() {
  return {"KE",
          "ke",
          json::object(),
          trained_keys() +
              std::vector<Key>{ignore("edit_lr", "the networks of KE compute the step size"),
                               ignore("lr_lr",
                                      "EasyEdit's KE has no learned rates; emend's learns a "
                                      "multiplier with the paper's learning rate")},
          finish_trained,
          [](const json& given) { read_settings<KeTrainingSettings>("ke", given); }};
}

namespace {

// EasyEdit mixes softly unless both keys disable it.
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
  const std::string losses = "scope_weight and edit_weight are the weights of SERAC's two losses";
  const std::string as_published = "emend's SERAC compares squared distances of one embedding";
  const std::string own =
      "the classifier and the counterfactual model are made from the model itself";
  const auto classifier = encoder("cls_name", own + "; the folder does not exist",
                                  [](File& file, const std::string& found) {
                                    file.settings["encoder"] = file.training["encoder"] = found;
                                  });
  // The first key of a name is used.
  return {
      name,
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
                       ignore("unlikelihood", "emend's SERAC has its own losses"),
                       ignore("use_all_negatives", "all other questions of a step are negatives"),
                       ignore("edit_bs", "batch sets the number of edits in a step"),
                       ignore("checkpoint_grad", "activations are not recomputed"),
                       ignore("log_errors", "emend train reports errors"),
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
      [](const json& given) { read_settings<SeracTrainingSettings>("serac", given); }};
}

}  // namespace emend::easyedit
