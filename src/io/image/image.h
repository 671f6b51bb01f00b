#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace emend {

// 8-bit RGB, row by row.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;  // height * width * 3
};

// JPEG or PNG by content, any channel layout to RGB (alpha dropped as PIL's convert("RGB") does),
// EXIF orientation applied. Throws emend::Error for anything else or for more than 178 megapixels.
Image read_image(const std::string& path);
Image decode_image(const uint8_t* data, size_t size, const std::string& name);
// Written to a temporary name and renamed.
void write_png(const std::string& path, const Image& image);

// Bit for bit what Pillow's Image.resize gives for RGB uint8 (fixed point, uint8 between the
// passes).
enum class Resample { nearest = 0, lanczos = 1, bilinear = 2, bicubic = 3 };
Image resize(const Image& image, int width, int height, Resample filter = Resample::bicubic);

// The part of the picture whose upper left corner is (left, top), black where it does not reach.
Image crop(const Image& image, int left, int top, int width, int height);
// The middle of the picture, black where it does not reach, as transformers' center_crop has it.
Image crop_centre(const Image& image, int width, int height);
// The picture in the middle of a square as large as its longer side.
Image pad_to_square(const Image& image, const std::array<uint8_t, 3>& colour);

}  // namespace emend
