#pragma once

#include <nlohmann/json.hpp>

#include "editing/patches/patch.h"

namespace emend {

// The entries of a patch as JSON: {name, facts} of each entry.
nlohmann::json describe_entries(const Patch& patch);
// What the editor reports about the memory: the certificate of its scopes, and superseded entries.
// Null if there is nothing to report.
nlohmann::json memory_facts(const Patch& patch);

}  // namespace emend
