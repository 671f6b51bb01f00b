#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "io/image/image.h"

namespace emend {

// Limits that are checked before decoding, since a file of a few kilobytes can claim any size.
// Above this number of pixels, Pillow warns of a decompression bomb; they take 268 MB.
inline constexpr uint64_t kMaxPixels = 89'478'485;
inline constexpr uint64_t kMaxSide = 100'000;

bool is_jpeg(const uint8_t* data, size_t size);
bool is_png(const uint8_t* data, size_t size);
bool is_webp(const uint8_t* data, size_t size);
bool is_bmp(const uint8_t* data, size_t size);
bool is_gif(const uint8_t* data, size_t size);

// Pixels as stored, and the orientation from EXIF (1 if the file has none).
struct DecodedImage {
  Image image;
  int orientation = 1;
};
DecodedImage decode_jpeg(const uint8_t* data, size_t size, const std::string& name);
DecodedImage decode_png(const uint8_t* data, size_t size, const std::string& name);
DecodedImage decode_webp(const uint8_t* data, size_t size, const std::string& name);
DecodedImage decode_bmp(const uint8_t* data, size_t size, const std::string& name);
DecodedImage decode_gif(const uint8_t* data, size_t size, const std::string& name);
std::vector<uint8_t> encode_png(const Image& image, const std::string& name);

// Throws emend::Error if width x height is zero or exceeds the limits.
void check_image_size(uint64_t width, uint64_t height, const std::string& name);

// Reads tag 0x0112 from the first directory of a TIFF block ("II*\0..."); 1 if absent or malformed.
int exif_orientation(const uint8_t* tiff, size_t size);
// Applies `orientation`, 1 to 8 as EXIF defines it.
Image oriented(Image image, int orientation);

}  // namespace emend
