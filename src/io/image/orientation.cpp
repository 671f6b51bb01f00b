#include <utility>

#include "io/image/codecs.h"

namespace emend {
namespace {

class Tiff {
 public:
  Tiff(const uint8_t* data, size_t size) : data_(data), size_(size) {
    little_ = size >= 2 && data[0] == 'I' && data[1] == 'I';
  }
  // Reads 0 beyond the end, so that a damaged block means no orientation.
  uint32_t number(size_t at, int bytes) const {
    if (at > size_ || size_ - at < static_cast<size_t>(bytes)) return 0;
    uint32_t value = 0;
    for (int i = 0; i < bytes; ++i)
      value |= static_cast<uint32_t>(data_[at + i]) << 8 * (little_ ? i : bytes - 1 - i);
    return value;
  }

 private:
  const uint8_t* data_;
  size_t size_;
  bool little_;
};

}  // namespace

int exif_orientation(const uint8_t* tiff, size_t size) {
  if (size < 8 || !((tiff[0] == 'I' && tiff[1] == 'I') || (tiff[0] == 'M' && tiff[1] == 'M')))
    return 1;
  Tiff block(tiff, size);
  if (block.number(2, 2) != 42) return 1;
  size_t directory = block.number(4, 4);
  auto entries = block.number(directory, 2);
  for (uint32_t i = 0; i < entries; ++i) {
    size_t entry = directory + 2 + size_t{12} * i;
    if (entry + 12 > size) break;
    if (block.number(entry, 2) != 0x0112) continue;
    auto type = block.number(entry + 2, 2);
    auto value = type == 3   ? block.number(entry + 8, 2)
                 : type == 4 ? block.number(entry + 8, 4)
                             : 0;
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image oriented(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool swapped = orientation >= 5;
  // Bits of the inverse transform, after swapping the axes: mirrored source columns, mirrored
  // source rows.
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image out;
  out.width = swapped ? image.height : image.width;
  out.height = swapped ? image.width : image.height;
  out.rgb.resize(image.rgb.size());
  uint8_t* to = out.rgb.data();
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x, to += 3) {
      int column = swapped ? y : x, row = swapped ? x : y;
      if (flip_x) column = image.width - 1 - column;
      if (flip_y) row = image.height - 1 - row;
      const uint8_t* from = image.rgb.data() + (size_t(row) * image.width + column) * 3;
      to[0] = from[0], to[1] = from[1], to[2] = from[2];
    }
  }
  return out;
}

}  // namespace emend
