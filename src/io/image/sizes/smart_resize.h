#pragma once

#include <cstdint>

namespace emend {

// The size of a picture in pixels.
struct SmartSize {
  int width, height;
};

// The size that Qwen2-VL's processor gives a picture of width x height pixels: both sides are
// multiples of `factor`, the area is within min_pixels and max_pixels, and the aspect ratio is
// nearly kept. Throws emend::Error if one side is more than 200 times the other, or if the size
// would be too large or empty.
SmartSize smart_resize(int width, int height, int factor, int64_t min_pixels, int64_t max_pixels);

}  // namespace emend
