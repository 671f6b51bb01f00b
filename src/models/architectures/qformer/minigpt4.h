#pragma once

#include "models/architectures/architecture.h"

namespace emend {

// MiniGPT-4: BLIP-2's vision tower and Q-Former, a projection, and a Llama.
Architecture minigpt4_architecture(const nlohmann::json& config);

}  // namespace emend
