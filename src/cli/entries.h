#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "editing/patches/patch.h"

namespace emend::cli {

// The entries of a patch as JSON: {name, facts} of each entry.
nlohmann::json describe_entries(const Patch& patch);
// A table with name, prompt, target and picture of each entry.
std::string entries_table(const Patch& patch);
// What the editor reports about the memory: the certificate of its scopes, and superseded entries.
// Null if there is nothing to report.
nlohmann::json memory_facts(const Patch& patch);
std::string memory_text(const nlohmann::json& facts);

}  // namespace emend::cli
