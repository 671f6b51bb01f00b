#pragma once

#include <string>

#include "editing/training/forced.h"
#include "suites/groups.h"

namespace emend {

// A probe as the input of the model.
struct ProbeQuery : TargetQuery {
  Group group = Group::reliability;
  std::string expected;          // the answer without leading space
  bool similar = false;          // Probe::similar
  std::string alternative = {};  // Probe::alternative
};

}  // namespace emend
