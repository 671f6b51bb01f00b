#pragma once

#include <nlohmann/json.hpp>

#include "models/architectures/architecture.h"

namespace emend {

Architecture toy_architecture(const nlohmann::json& json);

}  // namespace emend
