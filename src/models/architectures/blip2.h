#pragma once

#include "models/architectures/architecture.h"
#include "models/config/blip2_config.h"
#include "models/core/model.h"

namespace emend {

// Blip2ForConditionalGeneration with an OPT language model. Takes every tensor from `weights`;
// throws emend::Error when one is missing, left over or misshapen.
std::unique_ptr<Model> make_blip2(const Blip2Config& config, Weights& weights);

// Names as released folders have them: no release changed a tensor's, but newer ones put `model.`
// before the parts' modules.
std::string blip2_name(const std::string& name);
Architecture blip2_architecture(const nlohmann::json& config);

}  // namespace emend
