#include "evaluation/probes/augmentations.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace emend {
namespace {

// A window of the picture. Edge pixels are repeated outside of the picture.
Image window(const Image& image, int left, int top, int width, int height) {
  Image view{width, height, {}};
  view.rgb.reserve(static_cast<size_t>(width) * height * 3);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      auto from_y = static_cast<size_t>(std::clamp(y + top, 0, image.height - 1));
      auto from_x = static_cast<size_t>(std::clamp(x + left, 0, image.width - 1));
      const auto* pixel = &image.rgb[(from_y * image.width + from_x) * 3];
      view.rgb.insert(view.rgb.end(), pixel, pixel + 3);
    }
  return view;
}

Image scaled(Image image, double factor) {
  for (auto& value : image.rgb)
    value = static_cast<uint8_t>(std::min(255.0, std::round(value * factor)));
  return image;
}

}  // namespace

std::vector<AlteredPicture> altered_copies(const Image& image, uint64_t seed) {
  std::mt19937_64 rng(seed);
  int step_x = std::max(1, image.width / 32), step_y = std::max(1, image.height / 32);
  auto either = [&](int step) { return rng() % 2 ? step : -step; };
  int dx = either(step_x), dy = either(step_y);
  auto moved = window(image, dx, dy, image.width, image.height);
  auto inner = window(image, step_x, step_y, std::max(1, image.width - 2 * step_x),
                      std::max(1, image.height - 2 * step_y));
  auto noisy = image;
  for (auto& value : noisy.rgb)
    value = static_cast<uint8_t>(std::clamp(value + static_cast<int>(rng() % 17) - 8, 0, 255));
  return {{"moved", std::move(moved)},
          {"zoomed", resize(inner, image.width, image.height)},
          {"lighter", scaled(image, 1.08)},
          {"darker", scaled(image, 0.92)},
          {"noisy", std::move(noisy)}};
}

}  // namespace emend
