#pragma once

#include <nlohmann/json.hpp>

#include "editing/patches/patch.h"

namespace emend {

// What a listing shows of a patch: id, editor, module, kind (weights, memory or both), edits,
// parameters, certificate and superseded entries of its memory.
nlohmann::json patch_summary(const Patch& patch);
// What it stores beside: effect, settings, request, sites, entries, made_by.
nlohmann::json patch_details(const Patch& patch);

}  // namespace emend
