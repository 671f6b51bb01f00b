#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>

#include "io/error.h"
#include "io/image/codecs.h"

namespace emend {
namespace {

constexpr const char* kPngPlace = "io::png";
constexpr uint8_t kSignature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
// The highest possible compression ratio of deflate is 1032 to 1.
constexpr uint64_t kDeflateRatio = 1040;

// libpng reports errors by longjmp. As in jpeg.cpp, functions that call setjmp have no local
// variables, and everything with a destructor lives outside of them.
struct Failure {
  jmp_buf jump;
  char message[200];
};

[[noreturn]] void throw_png_error(png_structp png, png_const_charp message) {
  auto* failure = static_cast<Failure*>(png_get_error_ptr(png));
  std::snprintf(failure->message, sizeof failure->message, "%s", message);
  longjmp(failure->jump, 1);
}

void ignore_png_warning(png_structp, png_const_charp) {}

uint32_t big_endian(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

struct PngReader {
  Failure failure{};
  png_structp png = nullptr;
  png_infop info = nullptr;
  const uint8_t* next = nullptr;
  size_t left = 0;
  bool truncated = false;
  // A chunk that exceeds the file, and its real length: libpng would skip it as a whole.
  const uint8_t* cut_chunk = nullptr;
  uint32_t cut_length = 0;
  int depth = 0;
  int color = 0;
  int passes = 1, pass = 0;
  png_uint_32 y = 0;
  std::array<std::array<uint8_t, 3>, 256> palette{};
  std::vector<uint8_t> rows;  // decoded rows: all of them if interlaced, otherwise one
  Image image;

  PngReader(const uint8_t* data, size_t size) : next(data), left(size) {
    find_cut_chunk(data, size);
  }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }

  static void give(png_structp png, png_bytep to, size_t count) {
    auto* reader = static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > reader->left) {
      reader->truncated = true;
      png_error(png, "the file is truncated");
    }
    std::memcpy(to, reader->next, count);
    if (reader->next == reader->cut_chunk && count >= 4)
      for (int i = 0; i < 4; ++i) to[i] = static_cast<uint8_t>(reader->cut_length >> (24 - 8 * i));
    reader->next += count;
    reader->left -= count;
  }

  bool read_header() {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &failure, throw_png_error,
                                 ignore_png_warning);
    info = png ? png_create_info_struct(png) : nullptr;
    if (!info) {
      std::snprintf(failure.message, sizeof failure.message, "libpng cannot be initialized");
      return false;
    }
    if (setjmp(failure.jump)) return false;
    png_set_read_fn(png, this, give);
    png_set_user_limits(png, 0x7fffffff, 0x7fffffff);  // check_image_size sets the limits
    // Text, profiles and similar chunks can be compressed and huge. None of them is used.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_read_info(png, info);
    depth = png_get_bit_depth(png, info);
    color = png_get_color_type(png, info);
    return true;
  }

  bool set_transforms() {
    if (setjmp(failure.jump)) return false;
    if (depth < 8) png_set_packing(png);
    // PIL takes the high byte of 16-bit values, except in gray pictures, where it saturates.
    if (depth == 16 && color != PNG_COLOR_TYPE_GRAY) png_set_strip_16(png);
    passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    return true;
  }

  uint8_t* row() {
    return rows.data() + (passes > 1 ? png_get_rowbytes(png, info) * size_t{y} : 0);
  }

  // As in Pillow, a file may end anywhere after its last pixel.
  bool read_rows() {
    if (setjmp(failure.jump)) return truncated && has_all_rows();
    for (pass = 0; pass < passes; ++pass)
      for (y = 0; y < png_get_image_height(png, info); ++y) {
        png_read_row(png, row(), nullptr);
        if (pass + 1 == passes) convert_row();
      }
    png_read_end(png, nullptr);
    return true;
  }

  // libpng checks the end of the data in the call that returns the last row.
  bool has_all_rows() {
    const auto height = png_get_image_height(png, info);
    if (y < height) {
      const bool last = y + 1 == height && pass + 1 == passes;
      if (!last || (passes > 1 ? png_get_current_pass_number(png) < passes
                               : png_get_current_row_number(png) < height))
        return false;
      convert_row();
    }
    return true;
  }

  void convert_row();

  void find_cut_chunk(const uint8_t* data, size_t size) {
    for (size_t at = sizeof kSignature; at <= size && size - at >= 8;) {
      const size_t length = big_endian(data + at);
      if (length > size - at - 8) {
        cut_chunk = data + at;
        cut_length = static_cast<uint32_t>(size - at - 8);
        return;
      }
      at += 12 + length;
    }
  }

  [[noreturn]] void fail(const std::string& name) const {
    throw Error(kPngPlace, fmt::format("'{}' cannot be decoded: {}", name, failure.message),
                "the file is incomplete or damaged; fetch it again");
  }
};

// Indices beyond the palette are black, as in PIL.
void read_palette(PngReader& reader) {
  png_colorp colors = nullptr;
  int count = 0;
  png_get_PLTE(reader.png, reader.info, &colors, &count);
  for (int i = 0; i < count && i < 256; ++i)
    reader.palette[i] = {colors[i].red, colors[i].green, colors[i].blue};
}

void to_rgb(const PngReader& reader, const uint8_t* from, uint8_t* to, size_t count) {
  switch (reader.color) {
    case PNG_COLOR_TYPE_PALETTE:
      for (size_t i = 0; i < count; ++i) std::memcpy(to + 3 * i, reader.palette[from[i]].data(), 3);
      return;
    case PNG_COLOR_TYPE_GRAY:
      for (size_t i = 0; i < count; ++i) {
        int value = reader.depth == 16 ? (from[2 * i] ? 255 : from[2 * i + 1])
                                       : from[i] * 255 / ((1 << reader.depth) - 1);
        std::memset(to + 3 * i, value, 3);
      }
      return;
    case PNG_COLOR_TYPE_GRAY_ALPHA:
      for (size_t i = 0; i < count; ++i) std::memset(to + 3 * i, from[2 * i], 3);
      return;
    case PNG_COLOR_TYPE_RGB_ALPHA:
      for (size_t i = 0; i < count; ++i) std::memcpy(to + 3 * i, from + 4 * i, 3);
      return;
    default:
      std::memcpy(to, from, 3 * count);
  }
}

void PngReader::convert_row() {
  const auto width = static_cast<size_t>(image.width);
  to_rgb(*this, row(), image.rgb.data() + size_t{y} * width * 3, width);
}

// A chunk has length, name, data and checksum. The decoder has already checked the chunks that it
// uses.
int png_orientation(const uint8_t* data, size_t size) {
  size_t at = sizeof kSignature;
  while (size - at >= 12) {
    size_t length = big_endian(data + at);
    if (length > size - at - 12) break;
    if (std::memcmp(data + at + 4, "eXIf", 4) == 0) return exif_orientation(data + at + 8, length);
    at += 12 + length;
  }
  return 1;
}

struct Writer {
  Failure failure{};
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::vector<uint8_t> bytes;
  bool out_of_memory = false;

  Writer() = default;
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { png_destroy_write_struct(&png, &info); }

  static void take(png_structp png, png_bytep from, size_t count) {
    auto* writer = static_cast<Writer*>(png_get_io_ptr(png));
    if (!writer->append(from, count)) png_error(png, "not enough memory");
  }

  // Exceptions must not pass through libpng.
  bool append(const uint8_t* from, size_t count) noexcept {
    try {
      bytes.insert(bytes.end(), from, from + count);
      return true;
    } catch (...) {
      return false;
    }
  }

  bool write(const Image& image) {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &failure, throw_png_error,
                                  ignore_png_warning);
    info = png ? png_create_info_struct(png) : nullptr;
    if (!info) return false;
    if (setjmp(failure.jump)) return false;
    png_set_write_fn(png, this, take, nullptr);
    png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
    png_set_compression_level(png, 1);  // a quarter of the time, a seventh larger
    png_set_IHDR(png, info, static_cast<png_uint_32>(image.width),
                 static_cast<png_uint_32>(image.height), 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    write_rows(image);
    png_write_end(png, info);
    return true;
  }

  void write_rows(const Image& image) {
    for (int y = 0; y < image.height; ++y)
      png_write_row(png, image.rgb.data() + size_t(y) * image.width * 3);
  }
};

}  // namespace

bool is_png(const uint8_t* data, size_t size) {
  return size >= sizeof kSignature && std::memcmp(data, kSignature, sizeof kSignature) == 0;
}

DecodedImage decode_png(const uint8_t* data, size_t size, const std::string& name) {
  PngReader reader(data, size);
  if (!reader.read_header()) reader.fail(name);
  uint64_t width = png_get_image_width(reader.png, reader.info);
  uint64_t height = png_get_image_height(reader.png, reader.info);
  check_image_size(width, height, name);
  uint64_t stored = png_get_rowbytes(reader.png, reader.info) * height;
  if (stored > size * kDeflateRatio)
    throw Error(
        kPngPlace,
        fmt::format("'{}' claims {} x {} pixels but has only {} bytes", name, width, height, size),
        "the file is truncated or damaged");
  if (!reader.set_transforms()) reader.fail(name);
  read_palette(reader);
  reader.rows.resize(png_get_rowbytes(reader.png, reader.info) * (reader.passes > 1 ? height : 1));
  reader.image.width = static_cast<int>(width);
  reader.image.height = static_cast<int>(height);
  reader.image.rgb.resize(width * height * 3);
  if (!reader.read_rows()) reader.fail(name);
  return {std::move(reader.image), png_orientation(data, size)};
}

std::vector<uint8_t> encode_png(const Image& image, const std::string& name) {
  if (image.width < 0 || image.height < 0) check_image_size(0, 0, name);
  check_image_size(static_cast<uint64_t>(image.width), static_cast<uint64_t>(image.height), name);
  if (image.rgb.size() != size_t(image.width) * image.height * 3)
    throw Error(kPngPlace,
                fmt::format("cannot write '{}': {} bytes for {} x {} pixels", name,
                            image.rgb.size(), image.width, image.height),
                "a picture has three bytes per pixel");
  Writer writer;
  if (!writer.write(image))
    throw Error(kPngPlace, fmt::format("cannot write '{}': {}", name, writer.failure.message),
                "make the picture smaller, or free some memory");
  return std::move(writer.bytes);
}

}  // namespace emend
