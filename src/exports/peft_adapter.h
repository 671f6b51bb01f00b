#pragma once

#include <string>
#include <vector>

#include "editing/patches/patch_stack.h"
#include "exports/low_rank.h"

namespace emend {

// Writes adapter_config.json and adapter_model.safetensors of PEFT's LoRA [arXiv 2106.09685] with
// delta = B A, so that alpha equals the rank. Modules have their full paths in transformers 5. A
// low-rank change is written exactly. Throws emend::Error if the stack has a memory or no change,
// if `output` exists, or if a dense change would need factors larger than itself; then nothing is
// written.
std::vector<AdaptedLayer> write_peft_adapter(const Vlm& vlm, const PatchStack& stack,
                                             const std::string& output,
                                             const LowRankOptions& options = {});

// Reads the folder of a LoRA adapter as a patch of `vlm`. Names of older and newer releases of
// transformers are accepted. Throws emend::Error if a file is missing or malformed, if the adapter
// has parts that no weight change expresses (DoRA, biases, saved modules, ...), or if it does not
// fit the model.
Patch read_peft_adapter(const Vlm& vlm, const std::string& folder);

}  // namespace emend
