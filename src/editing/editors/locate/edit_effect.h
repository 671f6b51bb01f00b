#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "editing/editor.h"

namespace emend {

// Whether the edited model gives the targets under teacher forcing: {"loss_after" (nats a token),
// "holds", "failed_tokens" (see failed_tokens)}. `interventions` include the edit.
nlohmann::json edit_effect(const Vlm& vlm, const std::vector<EditRequest>& requests,
                           bool end_of_answer, const Interventions& interventions);

}  // namespace emend
