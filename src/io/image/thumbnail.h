#pragma once

#include <string>

#include "io/image/image.h"

namespace emend {

// A picture scaled down to fit into side x side pixels (never enlarged), as a JPEG or PNG file,
// whichever is smaller. Throws emend::Error for a picture without pixels.
struct Thumbnail {
  std::string bytes;
  const char* type = "image/jpeg";
};
Thumbnail thumbnail(const Image& image, int side);

// A picture as a data URL, for pages that are one file: the thumbnail, and the whole picture as a
// PNG file.
std::string data_url(const Thumbnail& thumbnail);
std::string png_data_url(const Image& image);

}  // namespace emend
