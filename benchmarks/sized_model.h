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

// `size`: bundled (the project's own model, float32), 300m, or opt-2.7b (the shape of BLIP-2
// OPT-2.7b); the latter two in `dtype` with random weights, the bundled tokenizer, and pictures of
// `pixels` a side. All weights are in memory of their own, so that the naive way may write to them.
SizedModel make_sized_model(const std::string& size, int64_t pixels, at::ScalarType dtype);

}  // namespace emend::bench
