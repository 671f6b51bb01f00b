#pragma once

#include <optional>
#include <string>

namespace emend {

// The names of LAVIS (salesforce/LAVIS, which MiniGPT-4 and EasyEdit took over) for the parts of a
// BLIP-2, as Hugging Face and emend name them; nothing for what the part has no place for. The
// vision tower's q and v biases keep their own names, see EvaTensors.

// Of a file with the tower alone (eva_vit_g.pth), or behind `visual_encoder.`.
std::optional<std::string> lavis_vision_name(const std::string& name);
// `ln_vision.`, `query_tokens`, and `Qformer.bert.` without its text branch.
std::optional<std::string> lavis_bridge_name(const std::string& name);

// `text` without `prefix` where it begins with it.
std::optional<std::string> without_prefix(const std::string& text, const std::string& prefix);

}  // namespace emend
