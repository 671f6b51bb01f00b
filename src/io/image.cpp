#include "io/image.h"

#include <fmt/format.h>

#include "io/error.h"
#include "io/file.h"
#include "io/image_codecs.h"

namespace emend {

void check_image_size(uint64_t width, uint64_t height, const std::string& name) {
  if (width == 0 || height == 0 || width > kMaxPixels || height > kMaxPixels / width)
    throw Error("io::image",
                fmt::format("'{}' is {} x {} pixels; between 1 and {} are allowed", name, width,
                            height, kMaxPixels),
                "make the picture smaller first");
}

Image decode_image(const uint8_t* data, size_t size, const std::string& name) {
  if (size == 0) throw Error("io::image", fmt::format("'{}' is empty", name), "name a picture");
  DecodedImage decoded;
  if (is_jpeg(data, size))
    decoded = decode_jpeg(data, size, name);
  else if (is_png(data, size))
    decoded = decode_png(data, size, name);
  else
    throw Error("io::image", fmt::format("'{}' is neither JPEG nor PNG", name),
                "convert the picture to one of them");
  return oriented(std::move(decoded.image), decoded.orientation);
}

Image read_image(const std::string& path) {
  auto bytes = read_file(path);
  return decode_image(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), path);
}

void write_png(const std::string& path, const Image& image) {
  auto bytes = encode_png(image, path);
  write_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace emend
