#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/core/model.h"

namespace emend {

// The names of the modules that a user can edit. Every editor that changes weights uses them:
//   language      the language model
//   connector     the part between vision tower and language model: Q-Former or projector
//   projector     the connector's projection into the language model
//   vision_tower  the vision transformer
std::vector<std::string> module_names();

// Other accepted names of modules as {alias: name}, such as `vision`, the MMEdit paper's name of
// the connector.
const std::map<std::string, std::string>& module_aliases();
// Returns the name of an alias. Any other text is returned unchanged.
std::string canonical_module(const std::string& name);
// Replaces the alias in an editor's label: `ft:vision` becomes `ft:connector`.
std::string canonical_label(const std::string& label);

// The part of the model that has the layers of a module.
Module module_part(const std::string& name);

// The layers that fine-tuning changes, in model order. language and connector: the default sites of
// the model (FFN of the last decoder block; all of the Q-Former or projector). projector: all
// layers of the projection. vision_tower: all layers of the last vision block. Both this function
// and lora_sites throw emend::Error if the module has no such layer.
std::vector<Site> ft_sites(const Model& model, const std::string& module);

// The layers that LoRA changes (arXiv 2106.09685). language and connector: the query and value
// layers of all attention layers; if there are none (the connector is a projector), the layers of
// ft_sites. projector and vision_tower: the layers of ft_sites.
std::vector<Site> lora_sites(const Model& model, const std::string& module);

// The first stage that one of the sites belongs to.
size_t first_stage_of(const Model& model, const std::vector<Site>& sites);

}  // namespace emend
