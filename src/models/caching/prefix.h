#pragma once

#include <string>

#include "models/caching/activation_store.h"
#include "models/vlm.h"

namespace emend {

// `what` and all that a stored activation depends on beside its input: fingerprint, dtype, device,
// threads, build.
std::string store_key(const Vlm& vlm, const std::string& what);

// The vision module's output for one picture, (1, P, D), from the store where it has it. Pictures
// go through the vision module one at a time, everywhere, so that a picture's features do not
// depend, to the last bit, on its neighbours in a batch. pixels: (1, 3, H, W).
at::Tensor picture_features(const Vlm& vlm, const at::Tensor& pixels, ActivationStore* store);

// The batch run up to (and without) stage `first` under `interventions`, without gradients: what
// optimisation steps and the two sides of an evaluation share. Request interventions must have been
// applied. From the store comes the whole state before `first`, when the interventions leave all
// before it alone, or else (and within the bridge) the pictures' features, when they leave the
// vision module alone. Model::run goes on from the pass, and from copies of it; to keep passes at
// several boundaries, run from one to the next and copy.
Pass run_prefix(const Vlm& vlm, const Batch& batch, size_t first,
                const Interventions& interventions = {}, ActivationStore* store = nullptr,
                PadSide pad = PadSide::right);

}  // namespace emend
