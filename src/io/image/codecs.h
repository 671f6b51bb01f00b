#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "io/image/image.h"

namespace emend {

// More is refused before anything is decoded: a file of a few kilobytes can claim any size. The
// number of pixels is the one from which Pillow warns of a decompression bomb; there are 268 MB.
inline constexpr uint64_t kMaxPixels = 89'478'485;
inline constexpr uint64_t kMaxSide = 100'000;

bool is_jpeg(const uint8_t* data, size_t size);
bool is_png(const uint8_t* data, size_t size);
bool is_webp(const uint8_t* data, size_t size);
bool is_bmp(const uint8_t* data, size_t size);
bool is_gif(const uint8_t* data, size_t size);

// Pixels as stored; `orientation` as the file tells it (1 when it does not).
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

// Throws emend::Error when width x height is nothing or too much.
void check_image_size(uint64_t width, uint64_t height, const std::string& name);

// Tag 0x0112 of the first directory of a TIFF block ("II*\0..."); 1 when absent or ill-formed.
int exif_orientation(const uint8_t* tiff, size_t size);
// The picture as it is to be seen; `orientation` 1 to 8 as EXIF defines it.
Image oriented(Image image, int orientation);

}  // namespace emend
