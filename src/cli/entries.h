#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "editing/patches/patch_facts.h"

namespace emend::cli {

// A table with name, prompt, target and picture of each entry.
std::string entries_table(const Patch& patch);
// The memory_facts of a patch as text; empty if there are none.
std::string memory_text(const nlohmann::json& facts);

}  // namespace emend::cli
