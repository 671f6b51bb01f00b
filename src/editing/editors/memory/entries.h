#pragma once

#include <string>

#include "editing/patches/patch.h"
#include "models/core/pass.h"

namespace emend {

// How error messages name the memory of a patch.
inline constexpr const char* kPatchMemory = "the patch's memory";

// The name of the entry for an edit: see the other entry_name. row: that of the edit in the batch,
// whose first picture, if it has any, is the edit's.
std::string entry_name(const std::string& prompt, const Batch& batch, size_t row);

}  // namespace emend
