#pragma once

#include <string>

#include "models/config/blip2_config.h"
#include "models/vlm.h"

namespace emend::bench {

struct SizedModel {
  Blip2Config config;
  Vlm vlm;
  uint64_t weight_bytes = 0;
};

// `size`: bundled (the bundled model, float32), 300m, or opt-2.7b (the shape of BLIP-2 OPT-2.7b).
// The latter two have `dtype`, random weights, the bundled tokenizer, and pictures of `pixels` per
// side. All weights are in private memory, because the naive way writes to them.
SizedModel make_sized_model(const std::string& size, int64_t pixels, at::ScalarType dtype);

}  // namespace emend::bench
