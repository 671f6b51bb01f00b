#pragma once

#include <string>

#include "models/activation_store.h"
#include "models/vlm.h"

namespace emend {

// What a stored activation depends on beside its input: fingerprint, dtype, device, threads, build.
std::string store_key(const Vlm& vlm, const std::string& what);

// The vision module's output for one picture, (1, P, D), from the store where it has it. Pictures
// go through the vision module one at a time, everywhere, so that a picture's features do not
// depend, to the last bit, on its neighbours in a batch. pixels: (1, 3, H, W).
at::Tensor picture_features(const Vlm& vlm, const at::Tensor& pixels, ActivationStore* store);

// The batch run up to (and without) stage `first` under `interventions`, without gradients: what
// optimisation steps and the two sides of an evaluation share. Features come from the store when
// the interventions leave the vision module alone. Request interventions must have been applied.
Pass run_prefix(const Vlm& vlm, const Batch& batch, size_t first,
                const Interventions& interventions = {}, ActivationStore* store = nullptr,
                PadSide pad = PadSide::right);

}  // namespace emend
