#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "editing/patches/patch_facts.h"

namespace emend::cli {

// A table with name, prompt, target and picture of each entry.
std::string entries_table(const Patch& patch);
// The result of memory_facts as text; empty if the patch has none.
std::string memory_text(const nlohmann::json& facts);

}  // namespace emend::cli
