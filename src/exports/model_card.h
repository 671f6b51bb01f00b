#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "editing/patches/patch_stack.h"

namespace emend {

// README.md of a folder with the stack's changes in its weights, with the metadata of Hugging
// Face's hub: the base model, and the prompt, answer and editor of each edit. `name`: of the
// folder. `config`: config.json of the base model.
std::string model_card(const std::string& name, const Vlm& vlm, const nlohmann::json& config,
                       const PatchStack& stack);

}  // namespace emend
