#include "io/image/sizes/smart_resize.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "io/error.h"

namespace emend {
namespace {

constexpr double kWidest = 200;               // limit of the aspect ratio in transformers
constexpr double kMostPixelsOut = 178000000;  // as for other processors

}  // namespace

// The formulas of transformers' smart_resize, in double like there; halves are rounded to even.
SmartSize smart_resize(int width, int height, int factor, int64_t min_pixels, int64_t max_pixels) {
  if (width < 1 || height < 1)
    throw Error("io::image", "the picture has no pixels", "load a valid picture");
  const double wide = width, high = height, step = factor;
  if (std::max(wide, high) / std::min(wide, high) > kWidest)
    throw Error("io::image",
                fmt::format("a picture of {} x {} pixels is too narrow: one side is more than {} "
                            "times the other",
                            width, height, kWidest),
                "crop its longer side");
  double new_height = std::nearbyint(high / step) * step;
  double new_width = std::nearbyint(wide / step) * step;
  if (new_height * new_width > static_cast<double>(max_pixels)) {
    const double beta = std::sqrt(high * wide / static_cast<double>(max_pixels));
    new_height = std::max(step, std::floor(high / beta / step) * step);
    new_width = std::max(step, std::floor(wide / beta / step) * step);
  } else if (new_height * new_width < static_cast<double>(min_pixels)) {
    const double beta = std::sqrt(static_cast<double>(min_pixels) / (high * wide));
    new_height = std::ceil(high * beta / step) * step;
    new_width = std::ceil(wide * beta / step) * step;
  }
  if (!(new_width >= 1) || !(new_height >= 1) || new_width * new_height > kMostPixelsOut)
    throw Error(
        "io::image",
        fmt::format("a picture of {} x {} pixels would become {} x {}", width, height, new_width,
                    new_height),
        "correct the limits of the area in preprocessor_config.json, or resize the picture");
  return {static_cast<int>(new_width), static_cast<int>(new_height)};
}

}  // namespace emend
