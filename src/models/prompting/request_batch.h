#pragma once

#include <vector>

#include "models/vlm.h"

namespace emend {

// Makes a batch of the queries and applies request interventions. Each picture is encoded once,
// unless an intervention acts on some rows only. Then every row has its own copy.
Batch request_batch(const Vlm& vlm, const std::vector<Query>& queries,
                    const Interventions& interventions);

}  // namespace emend
