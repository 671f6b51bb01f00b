#include <algorithm>

#include "io/error.h"
#include "io/image/image.h"

namespace emend {
namespace {

// A picture of another size: its pixel (x, y) is pixel (x + left, y + top) of `image`, or `color`.
Image framed(const Image& image, int width, int height, int left, int top,
             const std::array<uint8_t, 3>& color) {
  if (image.rgb.size() != size_t(image.width) * image.height * 3 || image.rgb.empty())
    throw Error("io::image", "the picture has no pixels", "load a valid picture");
  Image out{width, height, std::vector<uint8_t>(size_t(width) * height * 3)};
  for (size_t i = 0; i < out.rgb.size(); ++i) out.rgb[i] = color[i % 3];
  const int first = std::max(0, -left), last = std::min(width, image.width - left);
  for (int y = std::max(0, -top); y < std::min(height, image.height - top); ++y) {
    if (last <= first) break;
    const auto* from = image.rgb.data() + 3 * (size_t(y + top) * image.width + first + left);
    std::copy_n(from, 3 * size_t(last - first), out.rgb.data() + 3 * (size_t(y) * width + first));
  }
  return out;
}

int half_down(int value) { return value >= 0 ? value / 2 : -((1 - value) / 2); }

}  // namespace

Image crop(const Image& image, int left, int top, int width, int height) {
  return framed(image, width, height, left, top, {0, 0, 0});
}

Image crop_center(const Image& image, int width, int height) {
  return framed(image, width, height, half_down(image.width - width),
                half_down(image.height - height), {0, 0, 0});
}

Image pad_to_square(const Image& image, const std::array<uint8_t, 3>& color) {
  const int side = std::max(image.width, image.height);
  return framed(image, side, side, -((side - image.width) / 2), -((side - image.height) / 2),
                color);
}

}  // namespace emend
