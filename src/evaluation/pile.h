#pragma once

#include "models/intervention.h"

namespace emend {

// Adds an edit to edits that stay: dense changes of one weight become one running sum, left to
// right as PatchStack sums them, so that memory and time do not grow with every edit. Everything
// else is kept in order.
void pile_up(Interventions& pile, const Interventions& edit);

}  // namespace emend
