#include "io/image/image.h"

#include <fmt/format.h>

#include "io/error.h"
#include "io/files/file.h"
#include "io/files/file_kind.h"
#include "io/image/codecs.h"

namespace emend {
namespace {

constexpr uint64_t kMaxFile = uint64_t{1} << 29;  // more than the largest uncompressed picture

}  // namespace

void check_image_size(uint64_t width, uint64_t height, const std::string& name) {
  if (width == 0 || height == 0)
    throw Error("io::image", fmt::format("'{}' is {} x {} pixels", name, width, height),
                "the file is damaged; fetch it again");
  if (width > kMaxSide || height > kMaxSide || width * height > kMaxPixels)
    throw Error(
        "io::image",
        fmt::format("'{}' is {} x {} pixels; the limits are {} on each side and {} in total", name,
                    width, height, kMaxSide, kMaxPixels),
        "make the picture smaller; models use far fewer pixels");
}

Image decode_image(const uint8_t* data, size_t size, const std::string& name) {
  if (size == 0)
    throw Error("io::image", fmt::format("'{}' is empty", name), "give the path of a picture");
  struct Codec {
    bool (*is)(const uint8_t*, size_t);
    DecodedImage (*decode)(const uint8_t*, size_t, const std::string&);
  };
  for (const auto& codec :
       {Codec{is_jpeg, decode_jpeg}, Codec{is_png, decode_png}, Codec{is_webp, decode_webp},
        Codec{is_gif, decode_gif}, Codec{is_bmp, decode_bmp}}) {
    if (!codec.is(data, size)) continue;
    auto decoded = codec.decode(data, size, name);
    return oriented(std::move(decoded.image), decoded.orientation);
  }
  const auto kind = file_kind({reinterpret_cast<const char*>(data), size});
  throw Error("io::image",
              kind.empty() ? fmt::format("'{}' is not a picture of a known format", name)
                           : fmt::format("'{}' is {}", name, kind),
              "supported formats are JPEG, PNG, WebP, BMP and GIF");
}

Image read_image(const std::string& path) {
  auto bytes = read_file(path, kMaxFile);
  return decode_image(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), path);
}

void write_png(const std::string& path, const Image& image) {
  auto bytes = encode_png(image, path);
  write_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace emend
