#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "io/error.h"
#include "io/image/codecs.h"

// The algorithm of Pillow for 8-bit pictures: each output pixel is a weighted sum over a window of
// input pixels. The weights are fixed-point numbers with 22 bits. One pass goes along the rows and
// one along the columns, and each rounds to 8 bits. The order of the floating-point operations
// below decides the last bit of the weights; do not change it.

namespace emend {
namespace {

constexpr int kWeightBits = 32 - 8 - 2;

double triangle(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

// Keys' cubic convolution kernel with a = -0.5.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= M_PI;
  return std::sin(x) / x;
}

// A sinc windowed by a wider sinc.
double lanczos(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

struct Kernel {
  double (*weight)(double);
  double support;
};

Kernel kernel_of(Resample filter) {
  if (filter == Resample::bilinear) return {triangle, 1.0};
  return filter == Resample::lanczos ? Kernel{lanczos, 3.0} : Kernel{cubic, 2.0};
}

int32_t to_fixed(double weight) {
  double scaled = weight * (1 << kWeightBits);
  return static_cast<int32_t>(scaled < 0 ? -0.5 + scaled : 0.5 + scaled);
}

// The weights of the input positions for each output position, along one axis.
class Axis {
 public:
  Axis(int from, int to, const Kernel& kernel)
      : from_(from),
        kernel_(kernel),
        scale_(static_cast<double>(from) / to),
        support_(kernel.support *
                 std::max(scale_, 1.0)),  // when shrinking, more pixels are averaged
        narrowing_(1.0 / std::max(scale_, 1.0)),
        longest_(
            static_cast<int>(std::min(std::ceil(support_) * 2 + 1, static_cast<double>(from)))) {}

  int longest() const { return longest_; }

  struct Window {
    int first;
    int count;
  };
  // Writes at most longest() weights.
  Window window(int position, int32_t* weights) const {
    const double center = (position + 0.5) * scale_;
    const int first = std::max(static_cast<int>(center - support_ + 0.5), 0);
    const int count = std::min(static_cast<int>(center + support_ + 0.5), from_) - first;
    double sum = 0.0;
    for (int i = 0; i < count; ++i) sum += weight(first + i, center);
    for (int i = 0; i < count; ++i) {
      double share = weight(first + i, center);
      weights[i] = to_fixed(sum != 0.0 ? share / sum : share);
    }
    return {first, count};
  }

 private:
  double weight(int at, double center) const {
    return kernel_.weight((at - center + 0.5) * narrowing_);
  }

  int from_;
  Kernel kernel_;
  double scale_, support_, narrowing_;
  int longest_;
};

uint8_t to_byte(int32_t sum) {
  sum >>= kWeightBits;
  return static_cast<uint8_t>(std::clamp(sum, 0, 255));
}

constexpr int32_t kHalf = 1 << (kWeightBits - 1);
// Number of weights in memory: those of all columns, except for extremely wide pictures.
constexpr int kWeightsHeld = 1 << 22;

Image along_rows(const Image& image, int width, const Kernel& kernel) {
  const Axis axis(image.width, width, kernel);
  const size_t stride = static_cast<size_t>(axis.longest());
  const int block = std::clamp(kWeightsHeld / axis.longest(), 1, width);
  Image out{width, image.height, std::vector<uint8_t>(size_t(width) * image.height * 3)};
  std::vector<Axis::Window> windows(static_cast<size_t>(block));
  std::vector<int32_t> weights(stride * static_cast<size_t>(block));
  for (int start = 0; start < width; start += block) {
    const int columns = std::min(block, width - start);
    for (int x = 0; x < columns; ++x)
      windows[x] = axis.window(start + x, weights.data() + size_t(x) * stride);
    for (int y = 0; y < image.height; ++y) {
      const uint8_t* row = image.rgb.data() + size_t(y) * image.width * 3;
      uint8_t* to = out.rgb.data() + (size_t(y) * width + start) * 3;
      for (int x = 0; x < columns; ++x, to += 3) {
        const auto [first, count] = windows[x];
        const int32_t* weight = weights.data() + size_t(x) * stride;
        const uint8_t* from = row + size_t(first) * 3;
        int32_t red = kHalf, green = kHalf, blue = kHalf;
        for (int i = 0; i < count; ++i, from += 3) {
          red += from[0] * weight[i];
          green += from[1] * weight[i];
          blue += from[2] * weight[i];
        }
        to[0] = to_byte(red), to[1] = to_byte(green), to[2] = to_byte(blue);
      }
    }
  }
  return out;
}

Image along_columns(const Image& image, int height, const Kernel& kernel) {
  const Axis axis(image.height, height, kernel);
  const size_t stride = size_t(image.width) * 3;
  Image out{image.width, height, std::vector<uint8_t>(stride * height)};
  std::vector<int32_t> weights(static_cast<size_t>(axis.longest()));
  std::vector<int32_t> sums(stride);
  for (int y = 0; y < height; ++y) {
    const auto [first, count] = axis.window(y, weights.data());
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int i = 0; i < count; ++i) {
      const uint8_t* from = image.rgb.data() + size_t(first + i) * stride;
      const int32_t weight = weights[i];
      for (size_t x = 0; x < stride; ++x) sums[x] += from[x] * weight;
    }
    uint8_t* to = out.rgb.data() + size_t(y) * stride;
    for (size_t x = 0; x < stride; ++x) to[x] = to_byte(sums[x]);
  }
  return out;
}

// The input position at the center of each output pixel, accumulated step by step as Pillow does.
std::vector<int> nearest_positions(int from, int to) {
  const double scale = static_cast<double>(from) / to;
  std::vector<int> positions;
  double at = scale * 0.5;
  for (int i = 0; i < to; ++i, at += scale)
    positions.push_back(std::min(static_cast<int>(at), from - 1));
  return positions;
}

Image pick_nearest(const Image& image, int width, int height) {
  auto columns = nearest_positions(image.width, width);
  auto rows = nearest_positions(image.height, height);
  Image out{width, height, std::vector<uint8_t>(size_t(width) * height * 3)};
  uint8_t* to = out.rgb.data();
  for (int row : rows)
    for (int column : columns) {
      std::memcpy(to, image.rgb.data() + (size_t(row) * image.width + column) * 3, 3);
      to += 3;
    }
  return out;
}

}  // namespace

Image resize(const Image& image, int width, int height, Resample filter) {
  if (image.width < 1 || image.height < 1 ||
      image.rgb.size() != size_t(image.width) * image.height * 3)
    throw Error("io::resize",
                fmt::format("the picture has {} bytes for {} x {} pixels", image.rgb.size(),
                            image.width, image.height),
                "a picture has three bytes per pixel");
  if (width < 1 || height < 1) check_image_size(0, 0, "the resized picture");
  check_image_size(static_cast<uint64_t>(width), static_cast<uint64_t>(height),
                   "the resized picture");
  if (width == image.width && height == image.height) return image;
  if (filter == Resample::nearest) return pick_nearest(image, width, height);
  const Kernel kernel = kernel_of(filter);
  if (width == image.width) return along_columns(image, height, kernel);
  if (height == image.height) return along_rows(image, width, kernel);
  // As in Pillow 13, the pass that removes more lines comes first; earlier versions begin with the
  // rows. In both orders, the intermediate picture has no more pixels than the larger of source and
  // result.
  if (image.height > height && image.height - height > 2 * (image.width - width))
    return along_rows(along_columns(image, height, kernel), width, kernel);
  return along_columns(along_rows(image, width, kernel), height, kernel);
}

}  // namespace emend
