#pragma once

#include <string>
#include <vector>

#include "models/core/model.h"

namespace emend {

// Parts of a model that users choose by one word, the same in every editor that changes weights:
// language, vision (the bridge, as the paper has it), projection (bridge into language), tower
// (last vision block).
std::vector<std::string> module_names();

// The layers that fine-tuning changes in a module: the model's own default (last decoder block's
// FFN; the Q-Former), or all of a stage's (projection, tower). In model order.
// Both throw emend::Error when the module has no such layer.
std::vector<Site> tuned_sites(const Model& model, const std::string& module);

// The layers that LoRA changes (arXiv 2106.09685): query and value of every attention in language
// or bridge; all layers of a bridge that is a projector, of projection and tower.
std::vector<Site> lora_sites(const Model& model, const std::string& module);

// The first stage that a change of any of them changes.
size_t first_stage_of(const Model& model, const std::vector<Site>& sites);

}  // namespace emend
