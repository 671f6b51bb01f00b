#pragma once

#include <vector>

#include "models/caching/activation_store.h"
#include "models/vlm.h"

namespace emend {

// Runs the first begins[r] ids of each row r through the language module once, without gradients.
// Returns a pass at the start of the language module with the remaining ids (B, T), right-padded,
// whose KV cache (left-padded) has the prefixes. Model::run appends to the cache of a pass, so each
// run needs a copy of it. begins[r] is less than the length of row r, and may be 0. Rows have no
// segments, remainders have no image tokens, and `interventions` are at weights.
Pass run_row_prefixes(const Vlm& vlm, const Batch& batch, const std::vector<int64_t>& begins,
                      const Interventions& interventions = {}, ActivationStore* store = nullptr);

}  // namespace emend
