#pragma once

#include <cstdint>
#include <string>

#include "models/config/json_fields.h"

namespace emend {

// The common fields of CLIP's and SigLIP's vision configurations, which have different defaults.
struct VisionTransformerConfig {
  int64_t hidden, intermediate, layers, heads;
  int64_t image_size, patch_size;
  Activation activation;
  double eps;

  int64_t grid() const { return image_size / patch_size; }

  // Overwrites the values by the fields that are present. `default_activation` is the
  // default of hidden_act.
  void read(const JsonFields& json, const char* default_activation);
  // NAME and every field as text.
  std::string canonical_as(const char* name) const;
};

}  // namespace emend
