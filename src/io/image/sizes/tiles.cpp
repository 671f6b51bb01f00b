#include "io/image/sizes/tiles.h"

#include <algorithm>

#include "io/error.h"

namespace emend {
namespace {

constexpr int kLongest = 4096;  // limit of a side in transformers

struct Size {
  int width, height;
};

// The shorter side, from the longer one and the aspect ratio: computed in double and rounded down,
// as in transformers.
int shorter(int longer, double shape) { return static_cast<int>(longer * shape); }
int shorter_of_wide(int width, double aspect) { return static_cast<int>(width / aspect); }

Size by_longest_edge(const Image& image, int longest) {
  const double aspect = static_cast<double>(image.width) / image.height;
  const auto even = [](int side) { return side + side % 2; };
  Size size{longest, longest};
  if (image.width >= image.height)
    size.height = std::max(1, even(shorter_of_wide(longest, aspect)));
  else
    size.width = std::max(1, even(shorter(longest, aspect)));
  if (longest <= kLongest) return size;
  const double now = static_cast<double>(size.width) / size.height;
  if (size.width >= size.height) return {kLongest, std::max(1, shorter_of_wide(kLongest, now))};
  return {std::max(1, shorter(kLongest, now)), kLongest};
}

Size by_multiples(const Image& image, int tile) {
  const double aspect = static_cast<double>(image.width) / image.height;
  const auto grown = [tile](int side) { return (side + tile - 1) / tile * tile; };
  if (image.width >= image.height) {
    const int width = grown(image.width);
    return {width, grown(shorter_of_wide(width, aspect))};
  }
  const int height = grown(image.height);
  return {grown(shorter(height, aspect)), height};
}

}  // namespace

CutImage cut_into_tiles(const Image& image, int longest_edge, int tile, bool split,
                        Resample filter) {
  if (image.width < 1 || image.height < 1)
    throw Error("io::image", "the picture has no pixels", "load a valid picture");
  Image now = image;
  if (longest_edge > 0) {
    const auto size = by_longest_edge(now, longest_edge);
    now = resize(now, size.width, size.height, filter);
  }
  CutImage cut;
  if (split) {
    const auto size = by_multiples(now, tile);
    now = resize(now, size.width, size.height, filter);
    if (size.width > tile || size.height > tile) {
      cut.rows = size.height / tile;
      cut.columns = size.width / tile;
      for (int row = 0; row < cut.rows; ++row)
        for (int column = 0; column < cut.columns; ++column)
          cut.images.push_back(crop(now, column * tile, row * tile, tile, tile));
    }
  }
  cut.images.push_back(resize(now, tile, tile, filter));
  return cut;
}

}  // namespace emend
