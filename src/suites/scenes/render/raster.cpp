#include "suites/scenes/render/raster.h"

namespace emend::raster {
namespace {

// The centered sum of two numbers in 0..127, from a hash of the pixel's index.
inline float grain(uint32_t pixel, uint32_t seed) {
  uint32_t h = pixel * 0x9e3779b1u + seed;
  h = (h ^ (h >> 15)) * 0x85ebca77u;
  h = (h ^ (h >> 13)) * 0xc2b2ae3du;
  return static_cast<float>(static_cast<int>(h >> 25) + static_cast<int>(h >> 18 & 127) - 127);
}

}  // namespace

Image Canvas::finish(float amplitude, uint64_t seed) const {
  Image image{size_, size_, std::vector<uint8_t>(pixels_.size() * 3)};
  float k = amplitude / 128;
  uint32_t salt = static_cast<uint32_t>(seed >> 32);
  std::vector<float> row(size_t(size_) * 3);
  for (int y = 0; y < size_; ++y) {
    const Rgb* in = &pixels_[size_t(y) * size_];
    for (int x = 0; x < size_; ++x) {
      float add = 0.5f + k * grain(static_cast<uint32_t>(y * size_ + x), salt);
      row[3 * x] = in[x].r + add;
      row[3 * x + 1] = in[x].g + add;
      row[3 * x + 2] = in[x].b + add;
    }
    uint8_t* out = &image.rgb[size_t(y) * size_ * 3];
    for (size_t i = 0; i < row.size(); ++i)
      out[i] = static_cast<uint8_t>(std::min(std::max(static_cast<int>(row[i]), 0), 255));
  }
  return image;
}

}  // namespace emend::raster
