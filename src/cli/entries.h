#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "editing/patches/patch.h"

namespace emend::cli {

// What a patch remembers: {name, facts} of each entry.
nlohmann::json describe_entries(const Patch& patch);
// Name, prompt, target and picture of each, as aligned columns.
std::string entries_table(const Patch& patch);

}  // namespace emend::cli
