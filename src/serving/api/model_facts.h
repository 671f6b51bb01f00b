#pragma once

#include <nlohmann/json.hpp>

#include "models/vlm.h"

namespace emend {

// What a page needs to know about a model: {"model", "architecture", "base", "precision", "device",
// "text_only", "question_template", "modules", "editors", "version", "examples"}.
nlohmann::json model_facts(const Vlm& vlm);

}  // namespace emend
