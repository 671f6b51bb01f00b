#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace emend {

// An 8-bit RGB picture, row by row.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;  // height * width * 3
};

// Reads a JPEG, PNG, WebP, BMP or GIF file (the first frame of an animation). The format is
// detected from the content. All channel layouts become RGB (alpha is dropped, as PIL's
// convert("RGB") does), and EXIF orientation is applied. Throws emend::Error for other content and
// for pictures above the limits of io/image/codecs.h.
Image read_image(const std::string& path);
Image decode_image(const uint8_t* data, size_t size, const std::string& name);
// Writes atomically: to a temporary file that is then renamed.
void write_png(const std::string& path, const Image& image);

// The same bits as Pillow's Image.resize for RGB uint8 (fixed point, rounded to uint8 between the
// two passes).
enum class Resample { nearest = 0, lanczos = 1, bilinear = 2, bicubic = 3 };
Image resize(const Image& image, int width, int height, Resample filter = Resample::bicubic);

// The rectangle of the picture with the upper left corner (left, top); black outside of the
// picture.
Image crop(const Image& image, int left, int top, int width, int height);
// The center of the picture; black outside of it. The same as transformers' center_crop.
Image crop_center(const Image& image, int width, int height);
// Pads to a square of the longer side, with the picture in the center.
Image pad_to_square(const Image& image, const std::array<uint8_t, 3>& color);

}  // namespace emend
