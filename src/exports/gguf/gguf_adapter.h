#pragma once

#include <string>
#include <vector>

#include "editing/patches/patch_stack.h"
#include "exports/low_rank.h"

namespace emend {

// Writes the stack's changes as a LoRA adapter in a GGUF file, float32, for the unedited model in
// llama.cpp. All layers have the same rank, which equals alpha: factors of a smaller rank get
// zeros. Throws emend::Error if write_gguf_model would, if the stack has no change, and if a change
// is in the vision tower, the projector or a tied output layer, which llama.cpp cannot adapt.
std::vector<AdaptedLayer> write_gguf_adapter(const Vlm& vlm, const PatchStack& stack,
                                             const std::string& output,
                                             const LowRankOptions& options = {});

}  // namespace emend
