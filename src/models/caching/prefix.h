#pragma once

#include <string>

#include "models/caching/activation_store.h"
#include "models/vlm.h"

namespace emend {

// A key from `what` and everything else that a stored activation depends on, except for its input:
// fingerprint, dtype, device, threads, build.
std::string store_key(const Vlm& vlm, const std::string& what);

// Returns the output of the vision module for one picture, (1, P, D), from the store if possible.
// All pictures run through the vision module one by one, so that the bits of a picture's features
// do not depend on the batch. pixels: one picture.
at::Tensor picture_features(const Vlm& vlm, const Pictures& pixels, ActivationStore* store);

// Sets a pass to the start of the connector, with the features of its pictures.
void set_image_features(const Vlm& vlm, Pass& pass, ActivationStore* store);

// Runs a batch up to stage `first` (exclusive) with `interventions` and without gradients.
// Optimization steps, and the measurements before and after an edit, share the result. Request
// interventions must have been applied. If the interventions change no earlier stage, the state
// before `first` is stored. Otherwise (and within the connector), the features of the pictures are
// stored if the interventions do not change the vision module. Model::run can continue from the
// pass and from copies of it. For passes at several stages, run from one to the next and copy.
Pass forward_until(const Vlm& vlm, const Batch& batch, size_t first,
                   const Interventions& interventions = {}, ActivationStore* store = nullptr,
                   PadSide pad = PadSide::right);

}  // namespace emend
