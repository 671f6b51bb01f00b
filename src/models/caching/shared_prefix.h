#pragma once

#include <optional>
#include <vector>

#include "models/caching/activation_store.h"
#include "models/vlm.h"

namespace emend {

// A batch whose rows share computed prefixes.
struct SharedPrefix {
  // At the start of the language module, with the remaining ids of the rows as ids (B, T). The KV
  // cache has their prefixes, each of which was computed once for rows with the same pictures and
  // ids. mask: (B, cached + T). Can be used for generation (left-padded), or with
  // `logit_positions`.
  Pass pass;
  // Number of positions in the language module, with and without sharing.
  int64_t computed = 0, plain = 0;
};

// Rows with the same pictures share their longest common prefix; each runs its own remainder.
// ends[r] is the minimum length of row r's remainder, 1 or more. Returns nothing if this saves less
// than a quarter of the positions, if a remainder has image tokens, or if interventions act on more
// than single positions (allowed are weight interventions on all rows, and request interventions,
// which were applied). Logits differ from those without sharing by rounding.
std::optional<SharedPrefix> share_prefixes(const Vlm& vlm, const Batch& batch,
                                           const std::vector<int64_t>& ends,
                                           const Interventions& interventions,
                                           ActivationStore* store, PadSide pad);

}  // namespace emend
