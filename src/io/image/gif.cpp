#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "io/error.h"
#include "io/image/codecs.h"

// Reads the first frame of a GIF as Pillow does: transparency is ignored, and pixels outside of the
// frame have the transparent color, or the first one.

namespace emend {
namespace {

constexpr const char* kGifPlace = "io::gif";
constexpr int kMaxCode = 4096;  // codes have up to 12 bits
// The largest number of pixels that a code of 12 bits can stand for.
constexpr uint64_t kRatio = kMaxCode * 8 / 9 + 1;

using Rgb = std::array<uint8_t, 3>;

class GifReader {
 public:
  GifReader(const uint8_t* data, size_t size, const std::string& name)
      : data_(data), size_(size), name_(name) {
    for (size_t i = 0; i < 256; ++i) palette_[i].fill(static_cast<uint8_t>(i));
  }

  Image read() {
    at_ = 6;
    uint64_t width = number(2), height = number(2);
    const int flags = byte();
    at_ += 2;
    if (flags & 0x80) read_palette(flags);
    find_frame();
    const uint64_t left = number(2), top = number(2), columns = number(2), rows = number(2);
    const int frame = byte();
    if (frame & 0x80) read_palette(frame);
    // Some encoders draw outside of the logical screen.
    width = std::max(width, left + columns);
    height = std::max(height, top + rows);
    check_image_size(width, height, name_);
    if (columns * rows > kRatio * size_)
      fail(fmt::format("claims {} x {} pixels but has only {} bytes", columns, rows, size_));
    columns_ = columns;
    rows_ = rows;
    interlaced_ = frame & 0x40;

    Image image;
    image.width = static_cast<int>(width);
    image.height = static_cast<int>(height);
    image.rgb.resize(width * height * 3);
    const auto& outside = palette_[transparent_ < 0 ? 0 : transparent_];
    for (size_t i = 0; i < width * height; ++i)
      std::memcpy(image.rgb.data() + 3 * i, outside.data(), 3);
    decode([&](uint64_t x, uint64_t y, uint8_t index) {
      std::memcpy(image.rgb.data() + ((top + y) * width + left + x) * 3, palette_[index].data(), 3);
    });
    return image;
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(kGifPlace, fmt::format("'{}' {}", name_, problem),
                "the file is incomplete or damaged; fetch it again");
  }

  int byte() {
    if (at_ >= size_) fail("is truncated");
    return data_[at_++];
  }
  uint64_t number(int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= static_cast<uint64_t>(byte()) << 8 * i;
    return value;
  }

  // A gray ramp continues beyond the end of the palette; other indices beyond it are black.
  void read_palette(int flags) {
    const size_t count = size_t{2} << (flags & 7);
    bool ramp = true;
    palette_.fill({});
    for (size_t i = 0; i < count; ++i) {
      for (auto& component : palette_[i]) component = static_cast<uint8_t>(byte());
      const auto gray = static_cast<uint8_t>(i);
      ramp = ramp && palette_[i] == Rgb{gray, gray, gray};
    }
    for (size_t i = 0; ramp && i < 256; ++i) palette_[i].fill(static_cast<uint8_t>(i));
  }

  void skip_blocks() {
    for (int length = byte(); length > 0; length = byte()) at_ += static_cast<size_t>(length);
  }

  // Moves past the image separator of the first frame.
  void find_frame() {
    for (;;) {
      switch (byte()) {
        case ',':
          return;
        case '!':
          if (byte() == 0xf9 && at_ < size_ && data_[at_] >= 4 && at_ + 4 < size_ &&
              (data_[at_ + 1] & 1))
            transparent_ = data_[at_ + 4];
          skip_blocks();
          break;
        case ';':
          fail("has no frame");
        default:
          break;  // as other decoders do
      }
    }
  }

  // Reads the bits of the data blocks, lowest bit first.
  bool code(int bits, int& value) {
    while (held_ < bits) {
      if (block_ == 0) {
        if (at_ >= size_ || data_[at_] == 0) return false;
        block_ = data_[at_++];
      }
      if (at_ >= size_) return false;
      reservoir_ |= uint32_t{data_[at_++]} << held_;
      held_ += 8;
      --block_;
    }
    value = static_cast<int>(reservoir_ & ((1u << bits) - 1));
    reservoir_ >>= bits;
    held_ -= bits;
    return true;
  }

  // The position of the next pixel.
  struct Place {
    uint64_t x = 0, y = 0;
    int pass = 0;
  };
  void next_row(Place& place) const {
    place.x = 0;
    if (!interlaced_) {
      ++place.y;
      return;
    }
    constexpr uint64_t kStep[] = {8, 8, 4, 2}, kFirst[] = {0, 4, 2, 1};
    place.y += kStep[place.pass];
    while (place.y >= rows_ && place.pass < 3) place.y = kFirst[++place.pass];
  }

  template <typename Put>
  void decode(Put put) {
    const int start = byte();
    if (start < 1 || start > 8) fail("has an invalid LZW code size");
    const int clear = 1 << start, end = clear + 1;
    // A code stands for the pixels of another code, followed by one pixel.
    std::array<uint16_t, kMaxCode> before{};
    std::array<uint8_t, kMaxCode> last{};
    std::array<uint8_t, kMaxCode + 1> pixels{};
    int bits = start + 1, next = end + 1, previous = -1;
    uint8_t first = 0;
    Place place;
    uint64_t left = columns_ * rows_;
    while (left > 0) {
      int value = 0;
      if (!code(bits, value) || value == end) fail("is truncated before its last pixel");
      if (value == clear) {
        bits = start + 1;
        next = end + 1;
        previous = -1;
        continue;
      }
      if (value > next || (value == next && previous < 0) || (previous < 0 && value > end))
        fail("has an invalid LZW code");
      // Writes the pixels of the code, last one first.
      size_t count = 0;
      int at = value;
      if (value == next) {
        pixels[count++] = first;
        at = previous;
      }
      for (; at > end; at = before[static_cast<size_t>(at)])
        pixels[count++] = last[static_cast<size_t>(at)];
      first = static_cast<uint8_t>(at);
      pixels[count++] = first;
      if (previous >= 0 && next < kMaxCode) {
        before[static_cast<size_t>(next)] = static_cast<uint16_t>(previous);
        last[static_cast<size_t>(next)] = first;
        ++next;
        if (next == 1 << bits && bits < 12) ++bits;
      }
      previous = value;
      for (; count > 0 && left > 0; --left) {
        put(place.x, place.y, pixels[--count]);
        if (++place.x == columns_) next_row(place);
      }
    }
  }

  const uint8_t* data_;
  size_t size_;
  const std::string& name_;
  size_t at_ = 0;
  std::array<Rgb, 256> palette_{};
  int transparent_ = -1;
  uint64_t columns_ = 0, rows_ = 0;
  bool interlaced_ = false;
  int block_ = 0, held_ = 0;
  uint32_t reservoir_ = 0;
};

}  // namespace

bool is_gif(const uint8_t* data, size_t size) {
  return size >= 6 && (std::memcmp(data, "GIF87a", 6) == 0 || std::memcmp(data, "GIF89a", 6) == 0);
}

DecodedImage decode_gif(const uint8_t* data, size_t size, const std::string& name) {
  return {GifReader(data, size, name).read(), 1};
}

}  // namespace emend
