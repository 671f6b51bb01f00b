#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/core/model.h"

namespace emend {

// The modules that a user can edit, by one name in every editor that changes weights:
//   language      the language model
//   connector     what joins vision encoder and language model: Q-Former or projector
//   projector     the connector's projection into the language model
//   vision_tower  the vision encoder
std::vector<std::string> module_names();

// Other names that are accepted: the MMEdit paper calls the connector `vision`; `qformer`,
// `bridge`, `tower` and `projection`. {alias: name}.
const std::map<std::string, std::string>& module_aliases();
// The name that an alias stands for; any other text as it is.
std::string canonical_module(const std::string& name);
// The same in an editor's label: `ft:vision` is `ft:connector`.
std::string canonical_label(const std::string& label);

// The part of the model that has the layers of a module.
Module module_part(const std::string& name);

// The layers that fine-tuning changes: the default sites of the model (FFN of the last decoder
// block; the Q-Former), or all of a stage (projector, last vision block). In model order.
// Both functions throw emend::Error when the module has no such layer.
std::vector<Site> tuned_sites(const Model& model, const std::string& module);

// The layers that LoRA changes (arXiv 2106.09685): query and value of every attention layer of
// language or connector; all layers of a connector that is a projector, of projector and
// vision_tower.
std::vector<Site> lora_sites(const Model& model, const std::string& module);

// The first stage that a change of any of the sites changes.
size_t first_stage_of(const Model& model, const std::vector<Site>& sites);

}  // namespace emend
