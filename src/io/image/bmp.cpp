#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "io/error.h"
#include "io/image/codecs.h"

// Reads Windows bitmaps as Pillow does: the same kinds of headers, bit fields and run-length
// encodings.

namespace emend {
namespace {

constexpr const char* kBmpPlace = "io::bmp";
constexpr size_t kFileHeader = 14;
enum Compression : uint32_t { kRaw = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3 };

using Rgb = std::array<uint8_t, 3>;

// The bits of a color channel in a pixel, scaled to 0..255.
struct Field {
  uint32_t mask = 0;
  int shift = 0;
  explicit Field(uint32_t bits) : mask(bits) {
    while (mask && !(mask & 1)) mask >>= 1, ++shift;
  }
  bool contiguous() const { return mask && (mask & (mask + 1)) == 0 && mask <= 0xff; }
  uint8_t of(uint32_t pixel) const {
    return static_cast<uint8_t>(((pixel >> shift) & mask) * 255 / mask);
  }
};

class BmpReader {
 public:
  BmpReader(const uint8_t* data, size_t size, const std::string& name)
      : data_(data), size_(size), name_(name) {}

  Image read() {
    read_header();
    check_image_size(width_, height_, name_);
    image_.width = static_cast<int>(width_);
    image_.height = static_cast<int>(height_);
    if (compression_ == kRle8 || compression_ == kRle4) {
      const auto indices = run_lengths();
      image_.rgb.resize(width_ * height_ * 3);
      for (uint64_t y = 0; y < height_; ++y)
        for (uint64_t x = 0; x < width_; ++x) put(x, y, palette_[indices[y * width_ + x]]);
    } else {
      read_rows();
    }
    return std::move(image_);
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(kBmpPlace, fmt::format("'{}' {}", name_, problem),
                "the file is incomplete or damaged; fetch it again");
  }
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(kBmpPlace,
                fmt::format("'{}' is a BMP picture with {}, which is not supported", name_, what),
                "save it as PNG first");
  }

  uint32_t number(size_t at, int bytes) const {
    if (at > size_ || size_ - at < static_cast<size_t>(bytes)) fail("is truncated");
    uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= uint32_t{data_[at + i]} << 8 * i;
    return value;
  }

  void read_header() {
    const size_t header = number(kFileHeader, 4);
    size_t after = kFileHeader + header;
    const bool old = header == 12;
    const bool known = old || header == 40 || header == 52 || header == 56 || header == 64 ||
                       header == 108 || header == 124;
    if (!known) refuse(fmt::format("a header of {} bytes", header));
    if (after > size_) fail("is truncated");
    width_ = old ? number(18, 2) : number(18, 4);
    height_ = old ? number(20, 2) : number(22, 4);
    bits_ = static_cast<int>(number(old ? 24 : 28, 2));
    size_t colors = 0;
    if (!old) {
      upside_down_ = height_ >> 24 != 0xff;
      if (!upside_down_) height_ = (uint64_t{1} << 32) - height_;
      compression_ = number(30, 4);
      colors = number(46, 4);
    }
    switch (bits_) {
      case 1:
      case 4:
      case 8:
      case 16:
      case 24:
      case 32:
        break;
      default:
        refuse(fmt::format("{} bits per pixel", bits_));
    }
    if (compression_ > kBitFields) refuse(fmt::format("compression {}", compression_));
    if (compression_ == kBitFields) {
      read_masks(kFileHeader + 40);
      if (header == 40) after += 12;
    } else if (bits_ == 16) {
      fields_ = {Field(0x7c00), Field(0x3e0), Field(0x1f)};
    }
    if ((compression_ == kRle8 || compression_ == kRle4) && bits_ > 8)
      refuse(fmt::format("run-length encoding of {} bits per pixel", bits_));

    if (colors == 0 && bits_ <= 8) colors = size_t{1} << bits_;
    pixels_ = number(10, 4);
    const size_t entry = old ? 3 : 4;
    if (bits_ <= 8) {
      if (colors > 65536) refuse(fmt::format("{} colors", colors));
      read_palette(after, colors, entry);
      if (pixels_ == kFileHeader + header) pixels_ += entry * colors;
      after += entry * colors;
    }
    if (pixels_ == 0) pixels_ = after;
  }

  void read_masks(size_t at) {
    if (bits_ < 16) refuse(fmt::format("bit fields of {} bits per pixel", bits_));
    const std::array<uint32_t, 3> masks = {number(at, 4), number(at + 4, 4), number(at + 8, 4)};
    if (masks == std::array<uint32_t, 3>{} && bits_ == 32) return;
    fields_ = {Field(masks[0]), Field(masks[1]), Field(masks[2])};
    for (const auto& field : fields_)
      if (!field.contiguous())
        refuse(fmt::format("the bit field {:#x}", field.mask << field.shift));
  }

  // Indices beyond the palette are black. A gray ramp continues beyond its end.
  void read_palette(size_t at, size_t colors, size_t entry) {
    bool ramp = true;
    for (size_t i = 0; i < std::min<size_t>(colors, 256) && at + 3 <= size_; ++i, at += entry) {
      palette_[i] = {data_[at + 2], data_[at + 1], data_[at]};
      const auto gray = static_cast<uint8_t>(i);
      ramp = ramp && palette_[i] == Rgb{gray, gray, gray};
    }
    for (size_t i = colors; ramp && i < 256; ++i) palette_[i].fill(static_cast<uint8_t>(i));
  }

  void read_rows() {
    const uint64_t stride = (width_ * static_cast<uint64_t>(bits_) + 31) / 32 * 4;
    const uint64_t last = (width_ * static_cast<uint64_t>(bits_) + 7) / 8;
    if (pixels_ > size_ || size_ - pixels_ < stride * (height_ - 1) + last) fail("is truncated");
    image_.rgb.resize(width_ * height_ * 3);
    for (uint64_t y = 0; y < height_; ++y) {
      const uint8_t* row = data_ + pixels_ + y * stride;
      for (uint64_t x = 0; x < width_; ++x) put(x, y, pixel(row, x));
    }
  }

  Rgb pixel(const uint8_t* row, uint64_t x) const {
    if (bits_ <= 8) {
      const auto at = x * static_cast<uint64_t>(bits_);
      const auto shift = 8 - bits_ - static_cast<int>(at % 8);
      return palette_[(row[at / 8] >> shift) & ((1 << bits_) - 1)];
    }
    const auto bytes = static_cast<uint64_t>(bits_) / 8;
    const uint8_t* from = row + x * bytes;
    if (!fields_[0].mask) return {from[2], from[1], from[0]};
    uint32_t value = 0;
    for (uint64_t i = 0; i < bytes; ++i) value |= uint32_t{from[i]} << 8 * i;
    return {fields_[0].of(value), fields_[1].of(value), fields_[2].of(value)};
  }

  void put(uint64_t x, uint64_t y, const Rgb& color) {
    const auto row = upside_down_ ? height_ - 1 - y : y;
    std::memcpy(image_.rgb.data() + (row * width_ + x) * 3, color.data(), 3);
  }

  // Reads the palette index of each pixel, in the order of the file.
  std::vector<uint8_t> run_lengths() const {
    const uint64_t all = width_ * height_;
    std::vector<uint8_t> out;
    size_t at = pixels_;
    uint64_t x = 0;
    const auto index = [&](uint8_t byte, size_t i) -> uint8_t {
      if (compression_ == kRle8) return byte;
      return i % 2 == 0 ? byte >> 4 : byte & 15;
    };
    const auto zeros = [&](uint64_t count) {
      out.resize(out.size() + std::min(all - out.size(), count));
    };
    while (out.size() < all) {
      const auto count = number(at, 1);
      const auto value = static_cast<uint8_t>(number(at + 1, 1));
      at += 2;
      if (count > 0) {
        const auto run =
            std::min<uint64_t>({count, width_ - std::min(x, width_), all - out.size()});
        for (uint64_t i = 0; i < run; ++i) out.push_back(index(value, i));
        x += run;
      } else if (value == 0) {  // end of row
        if (out.size() % width_ != 0) zeros(width_ - out.size() % width_);
        x = 0;
      } else if (value == 1) {  // end of picture
        break;
      } else if (value == 2) {  // offset: columns to the right, rows up
        zeros(number(at, 1) + uint64_t{number(at + 1, 1)} * width_);
        at += 2;
        x = out.size() % width_;
      } else {  // literal pixels
        const auto run = std::min<uint64_t>(value, all - out.size());
        const auto bytes = compression_ == kRle8 ? run : (run + 1) / 2;
        for (uint64_t i = 0; i < run; ++i)
          out.push_back(
              index(static_cast<uint8_t>(number(at + (compression_ == kRle8 ? i : i / 2), 1)), i));
        at += bytes;
        at += at % 2;
        x += value;
      }
    }
    if (out.size() < all) fail("is truncated before its last pixel");
    return out;
  }

  const uint8_t* data_;
  size_t size_;
  const std::string& name_;
  uint64_t width_ = 0, height_ = 0;
  int bits_ = 0;
  bool upside_down_ = true;
  uint32_t compression_ = kRaw;
  size_t pixels_ = 0;
  std::array<Field, 3> fields_ = {Field(0), Field(0), Field(0)};
  std::array<Rgb, 256> palette_{};
  Image image_;
};

}  // namespace

bool is_bmp(const uint8_t* data, size_t size) {
  return size >= 2 && data[0] == 'B' && data[1] == 'M';
}

DecodedImage decode_bmp(const uint8_t* data, size_t size, const std::string& name) {
  return {BmpReader(data, size, name).read(), 1};
}

}  // namespace emend
