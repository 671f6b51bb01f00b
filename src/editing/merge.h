#pragma once

#include <string>
#include <vector>

#include "editing/patch.h"

namespace emend {

// One patch that does what these do together, bit for bit: weights summed by site as a pile of them
// is, entries of a memory in one memory, in which a later one replaces an earlier of its name.
// Throws emend::Error when they belong to different bases or editors, or their memories are read in
// different ways: such patches are applied one beside the other.
Patch merged(const std::vector<Patch>& patches);

// The patch without one entry of its memory, and without the request that it came from. Throws
// emend::Error when there is none of this name, or no other.
Patch without_entry(Patch patch, const std::string& name);

}  // namespace emend
