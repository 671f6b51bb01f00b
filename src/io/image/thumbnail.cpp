#include "io/image/thumbnail.h"

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>

// After <cstdio>, because jpeglib.h uses its types.
#include <jpeglib.h>

#include "io/error.h"
#include "io/image/codecs.h"

namespace emend {
namespace {

std::string base64(const std::string& bytes) {
  static const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    size_t there = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k)
      three = three << 8 | (k < there ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) text += k > there ? '=' : digits[three >> (18 - 6 * k) & 63];
  }
  return text;
}

constexpr int kQuality = 85;

struct ThumbnailErrorManager {
  jpeg_error_mgr base;
  jmp_buf jump;
};

[[noreturn]] void throw_thumbnail_error(j_common_ptr info) {
  longjmp(reinterpret_cast<ThumbnailErrorManager*>(info->err)->jump, 1);
}

// libjpeg reports errors by longjmp. What must be freed is here, in a frame that longjmp does not
// skip.
struct Encoder {
  jpeg_compress_struct info{};
  ThumbnailErrorManager errors{};
  unsigned char* bytes = nullptr;
  unsigned long size = 0;

  Encoder() = default;
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;
  ~Encoder() {
    jpeg_destroy_compress(&info);
    std::free(bytes);
  }

  bool encode(const Image& image) {
    info.err = jpeg_std_error(&errors.base);
    errors.base.error_exit = throw_thumbnail_error;
    if (setjmp(errors.jump)) return false;
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &bytes, &size);
    info.image_width = static_cast<JDIMENSION>(image.width);
    info.image_height = static_cast<JDIMENSION>(image.height);
    info.input_components = 3;
    info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, kQuality, TRUE);
    jpeg_start_compress(&info, TRUE);
    while (info.next_scanline < info.image_height) {
      // libjpeg has no const, but does not write here
      JSAMPROW row =
          const_cast<uint8_t*>(image.rgb.data()) + size_t(info.next_scanline) * image.width * 3;
      jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    return true;
  }
};

}  // namespace

Thumbnail thumbnail(const Image& image, int side) {
  double shrink =
      std::max(1.0, std::max(image.width, image.height) / static_cast<double>(std::max(side, 1)));
  auto small = resize(image, std::max(1, static_cast<int>(image.width / shrink + 0.5)),
                      std::max(1, static_cast<int>(image.height / shrink + 0.5)));
  auto png = encode_png(small, "a thumbnail");
  Encoder encoder;
  if (encoder.encode(small) && encoder.size < png.size())
    return {std::string(reinterpret_cast<const char*>(encoder.bytes), encoder.size), "image/jpeg"};
  return {std::string(png.begin(), png.end()), "image/png"};
}

std::string data_url(const Thumbnail& thumbnail) {
  return std::string("data:") + thumbnail.type + ";base64," + base64(thumbnail.bytes);
}

std::string png_data_url(const Image& image) {
  const auto png = encode_png(image, "a picture");
  return data_url({std::string(png.begin(), png.end()), "image/png"});
}

}  // namespace emend
