#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "editing/editor.h"

namespace emend {

// Whether the edited model gives the targets under teacher forcing: {"loss_after" (nats per token),
// "holds", "failed_tokens" (see failed_tokens)}. `deltas` change no stage before `first`, so that
// earlier stages can come from the store.
nlohmann::json edit_effect(const Vlm& vlm, const std::vector<EditRequest>& requests,
                           bool end_of_answer, size_t first, const EditContext& context,
                           const std::vector<SiteDelta>& deltas);

}  // namespace emend
