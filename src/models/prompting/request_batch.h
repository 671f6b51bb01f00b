#pragma once

#include <vector>

#include "models/vlm.h"

namespace emend {

// The queries as a batch, requests applied. Each picture is encoded once, unless an intervention
// acts on some rows only: then every row has its own.
Batch request_batch(const Vlm& vlm, const std::vector<Query>& queries,
                    const Interventions& interventions);

}  // namespace emend
