#pragma once

#include <cstdint>
#include <string>

#include "models/config/json_fields.h"

namespace emend {

// What the vision transformers of CLIP's kind have in common; each kind has its own defaults.
struct VisionTransformerConfig {
  int64_t hidden, intermediate, layers, heads;
  int64_t image_size, patch_size;
  Activation activation;
  double eps;

  int64_t grid() const { return image_size / patch_size; }

  // Fields that are there, over what this holds; `usual` is what hidden_act is else.
  void read(const JsonFields& json, const char* usual);
  // NAME and every field as text.
  std::string canonical_as(const char* name) const;
};

}  // namespace emend
