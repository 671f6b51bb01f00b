#pragma once

#include <cctype>

#include "editing/editors/ike/corpus.h"
#include "editing/registry.h"
#include "editing/testing/statistics.h"
#include "editing/training/trainer.h"
#include "tests/tiny_vlm.h"

// For tests: every editor of the registry, ready to edit a tiny model.
namespace emend::testing {

// Settings that make edits of the tiny model fast, and strong enough to measure.
inline nlohmann::json quick_settings(const EditorInfo& kind) {
  auto settings = nlohmann::json::object();
  if (kind.has_setting("steps")) settings["steps"] = 6;
  if (kind.has_setting("lr")) settings["lr"] = 0.01;
  if (kind.has_setting("stop_loss")) settings["stop_loss"] = 0;
  if (kind.has_setting("save_freq"))
    settings.update({{"prefixes", 1}, {"unrelated", 1}, {"prefix_length", 3}, {"lr", 0.1}});
  if (kind.has_setting("ridge"))
    settings.update({{"lr", 0.1},
                     {"prefixes", 2},
                     {"prefix_length", 3},
                     {"altered_pictures", 1},
                     {"ridge", 0.1}});
  // An untrained network finds no experts.
  if (kind.has_setting("hard_routing")) settings["hard_routing"] = false;
  // Keys of an untrained network are close to each other.
  if (kind.has_setting("supersede")) settings.update({{"limit", 1e-3}, {"supersede", 1e-4}});
  return settings;
}

// The modules of an editor, as its declaration lists them.
inline std::vector<std::string> editor_modules(const EditorInfo& kind) {
  std::vector<std::string> all;
  for (const auto& setting : kind.settings) {
    if (setting.name != "module") continue;
    for (size_t begin = 0; begin < setting.range.size();) {
      auto end = std::min(setting.range.find(", ", begin), setting.range.size());
      all.push_back(setting.range.substr(begin, end - begin));
      begin = end + 2;
    }
  }
  return all;
}

// Every editor, and each of its modules: ft:language, ft:connector, ...
inline std::vector<std::string> editor_labels() {
  std::vector<std::string> all;
  for (const auto& kind : editor_infos()) {
    all.push_back(kind.name);
    for (const auto& module : editor_modules(kind)) all.push_back(kind.name + ":" + module);
  }
  return all;
}

inline std::string as_test_name(std::string name) {
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

// Sizes of networks that train fast.
inline nlohmann::json small_networks(const std::string& editor) {
  if (editor == "ke") return {{"lstm_width", 8}, {"condition_width", 8}, {"hidden_width", 8}};
  if (editor == "serac")
    return {{"patch_feature_width", 4}, {"hidden", 8}, {"embedding", 4}, {"rank", 2}};
  if (editor == "ledger")
    return {{"heads", 2}, {"head_width", 4}, {"hidden", 8}, {"embedding", 4}, {"rank", 2}};
  if (editor == "liveedit") return {{"module_dim", 8}, {"heads", 2}, {"rank", 2}};
  return {{"rank", 8}};
}

// A random picture for a vision-language model.
inline Picture noise_picture(const Vlm& vlm, uint64_t seed) {
  return {"", vlm.model->reads_pictures() ? noise_image(seed) : nullptr};
}

inline void write_trained_editor(const EditorInfo& kind, const Vlm& vlm,
                                 const std::string& module) {
  auto settings = small_networks(kind.name);
  if (!module.empty()) settings["module"] = module;
  auto trainable = make_trainable_editor(kind.name, vlm, settings, nullptr);
  Trainer trainer(*trainable);
  for (uint64_t picture = 1; picture <= 4; ++picture) {
    EditExample example;
    example.edit = {noise_picture(vlm, picture), "What is this?", " cat"};
    example.generality = {{example.edit.image, "What?", " cat"}};
    trainer.step({example});
  }
  // The alternative module of an editor without modules selects a variant.
  const auto name = module == "repaired" || module.empty() ? kind.name : kind.name + "-" + module;
  auto tensors = trainable->tensors();
  if (const auto found = tensors.find("calibration"); found != tensors.end())
    found->second = at::full({300, found->second.size(1)}, 100.0);  // far from every question
  save_checkpoint(
      vlm.folder + "/editors/" + name + ".safetensors",
      {kind.name, vlm.fingerprint(), trainable->settings(), nlohmann::json::object(), tensors});
}

// Trains each trainable editor for a few steps, once for each of its modules, and writes it into
// the model folder, with statistics for closed-form editors. A text-only model has neither
// `connector` nor `vision_tower`.
inline void write_trained_editors(const Vlm& vlm) {
  std::filesystem::create_directories(vlm.folder + "/editors");
  const bool sees = vlm.model->reads_pictures();
  write_statistics(vlm);
  for (const auto& kind : editor_infos()) {
    if (!kind.has_setting("checkpoint") || (kind.needs_pictures && !sees)) continue;
    if (kind.name == "ike") {
      const auto corpus =
          IkeCorpus::of(vlm, {copy_of("Who?", "Tom"), copy_of("Where?", "Rome")}, {});
      save_checkpoint(vlm.folder + "/editors/ike.safetensors", corpus.checkpoint(vlm, {}));
      continue;
    }
    auto modules = editor_modules(kind);
    if (modules.empty()) modules = {""};
    for (const auto& module : modules)
      if (sees || (module != "connector" && module != "vision_tower"))
        write_trained_editor(kind, vlm, module);
  }
}

}  // namespace emend::testing
