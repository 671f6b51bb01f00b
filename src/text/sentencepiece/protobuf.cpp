#include "text/sentencepiece/protobuf.h"

#include <fmt/format.h>

#include <cstring>

#include "io/error.h"

namespace emend::text {

bool Fields::next() {
  if (rest_.empty()) return false;
  const uint64_t tag = varint();
  if (tag >> 3 == 0 || tag >> 3 > UINT32_MAX) fail(fmt::format("a field has the tag {}", tag));
  number_ = static_cast<uint32_t>(tag >> 3);
  switch (tag & 7) {
    case 0:
      kind_ = Kind::integer;
      integer_ = varint();
      break;
    case 1:
      kind_ = Kind::fixed64;
      bytes_ = take(8);
      break;
    case 2:
      kind_ = Kind::bytes;
      bytes_ = take(varint());
      break;
    case 5:
      kind_ = Kind::fixed32;
      bytes_ = take(4);
      break;
    default:
      fail(fmt::format("field {} has the wire type {}", number_, tag & 7));
  }
  return true;
}

uint64_t Fields::integer() const {
  need(Kind::integer, "an integer");
  return integer_;
}

float Fields::real() const {
  need(Kind::fixed32, "a float");
  uint32_t bits = 0;  // little-endian
  for (int i = 3; i >= 0; --i) bits = bits << 8 | static_cast<uint8_t>(bytes_[i]);
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

std::string_view Fields::bytes() const {
  need(Kind::bytes, "bytes");
  return bytes_;
}

void Fields::need(Kind kind, const char* what) const {
  if (kind_ != kind) fail(fmt::format("field {} should be {}", number_, what));
}

void Fields::fail(const std::string& problem) const {
  throw Error("text::protobuf", fmt::format("'{}' is damaged: {}", name_, problem),
              "fetch the file again");
}

uint64_t Fields::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = static_cast<uint8_t>(take(1)[0]);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  fail("a number has more than ten bytes");
}

std::string_view Fields::take(uint64_t size) {
  if (size > rest_.size())
    fail(fmt::format("{} bytes are missing at its end", size - rest_.size()));
  const auto taken = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return taken;
}

}  // namespace emend::text
