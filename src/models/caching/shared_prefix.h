#pragma once

#include <optional>
#include <vector>

#include "models/caching/activation_store.h"
#include "models/vlm.h"

namespace emend {

// A batch as a pass behind what its rows begin with.
struct SharedPrefix {
  // Stands before the language module with the rows' ends as ids (B, T). What comes before them,
  // of rows that show the same pictures and begin alike computed once, is in its cache; mask is
  // (B, cached + T). Generates (padded left), or runs with `wanted`.
  Pass pass;
  int64_t computed = 0, plain = 0;  // positions that the language module runs over: here, without
};

// Rows with the same pictures share the ids that all of them begin with; each runs its own end.
// ends[r]: how many of row r's last positions the pass must have at least, 1 or more. Nothing where
// that saves less than a quarter of the positions, where an end would show a picture, and under
// interventions that see more than single positions (only weights, of all rows, are taken along;
// requests have been applied). Logits differ from the plain way's by rounding.
std::optional<SharedPrefix> share_prefixes(const Vlm& vlm, const Batch& batch,
                                           const std::vector<int64_t>& ends,
                                           const Interventions& interventions,
                                           ActivationStore* store, PadSide pad);

}  // namespace emend
