#pragma once

#include <nlohmann/json.hpp>

#include "models/vlm.h"

namespace emend {

// What a page needs to know about a model: {"model", "architecture", "base", "precision", "device",
// "text_only", "question_template", "modules", "editors", "exports", "version", "examples"}.
// "exports" has for each format the reason why it cannot be written, or null.
nlohmann::json model_facts(const Vlm& vlm);

}  // namespace emend
