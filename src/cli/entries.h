#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "editing/patches/patch.h"

namespace emend::cli {

// The entries of a patch as JSON: {name, facts} of each entry.
nlohmann::json describe_entries(const Patch& patch);
// A table with name, prompt, target and picture of each entry.
std::string entries_table(const Patch& patch);

}  // namespace emend::cli
