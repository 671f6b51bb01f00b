#pragma once

#include <map>
#include <string>

#include "editing/patches/patch_stack.h"

namespace emend {

// The sum of the stack's weight changes by site. Throws emend::Error if a patch of the stack
// answers from a memory (SERAC, IKE, ledger, ...), which no weight can express, or if nothing is
// changed.
std::map<std::string, WeightDelta> weight_changes(const PatchStack& stack);

}  // namespace emend
