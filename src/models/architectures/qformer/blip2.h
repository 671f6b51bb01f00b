#pragma once

#include "models/architectures/architecture.h"
#include "models/config/blip2_config.h"
#include "models/core/model.h"

namespace emend {

// Blip2ForConditionalGeneration with an OPT language model. Takes every tensor from `weights`.
// Throws emend::Error if a tensor is missing, unexpected or has the wrong shape.
std::unique_ptr<Model> make_blip2(const Blip2Config& config, Weights& weights);

// Names as in released folders: no release renamed a tensor, but newer ones have the prefix
// `model.` before the modules.
std::string blip2_name(const std::string& name);
Architecture blip2_architecture(const nlohmann::json& config);

}  // namespace emend
