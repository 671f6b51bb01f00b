#pragma once

#include <optional>
#include <string>

namespace emend {

// Converts names of a BLIP-2's parts in LAVIS (salesforce/LAVIS, which MiniGPT-4 and EasyEdit use)
// to Hugging Face names. Returns nothing for tensors that the model does not have. The q and v
// biases of the vision tower keep their names; see EvaTensors.

// For a file of only the vision tower (eva_vit_g.pth), or for names after `visual_encoder.`.
std::optional<std::string> lavis_vision_name(const std::string& name);
// `ln_vision.`, `query_tokens`, and `Qformer.bert.` without its text branch.
std::optional<std::string> lavis_connector_name(const std::string& name);

// Returns `text` without `prefix`, or nothing if `text` does not start with it.
std::optional<std::string> without_prefix(const std::string& text, const std::string& prefix);

}  // namespace emend
