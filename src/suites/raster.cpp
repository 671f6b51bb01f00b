#include "suites/raster.h"

namespace emend::raster {

Image Canvas::finish(float amplitude, uint64_t seed) const {
  Image image{size_, size_, std::vector<uint8_t>(pixels_.size() * 3)};
  uint64_t state = seed | 1;
  float k = amplitude / 128;
  uint8_t* out = image.rgb.data();
  for (const auto& pixel : pixels_) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    int dice = static_cast<int>(state & 127) + static_cast<int>(state >> 32 & 127) - 127;
    float grain = 0.5f + k * static_cast<float>(dice);
    for (float channel : {pixel.r, pixel.g, pixel.b})
      *out++ = static_cast<uint8_t>(std::min(std::max(channel + grain, 0.0f), 255.0f));
  }
  return image;
}

}  // namespace emend::raster
