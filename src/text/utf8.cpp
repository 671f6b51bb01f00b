#include "text/utf8.h"

#include <fmt/format.h>

#include <cstdint>

#include "io/error.h"

namespace emend::text {
namespace {

struct Part {
  size_t length;  // of the character, or of the maximal invalid sequence
  bool valid;
};

// Table 3-7 of the Unicode standard: the lead byte determines the number of bytes and the range of
// the second byte.
Part part_at(std::string_view text, size_t at) {
  auto byte = [&](size_t i) -> int {
    return at + i < text.size() ? static_cast<uint8_t>(text[at + i]) : -1;
  };
  const int lead = byte(0);
  if (lead < 0x80) return {1, true};
  size_t length = 0;
  int low = 0x80, high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    return {1, false};
  }
  if (byte(1) < low || byte(1) > high) return {1, false};
  for (size_t i = 2; i < length; ++i)
    if (byte(i) < 0x80 || byte(i) > 0xbf) return {i, false};
  return {length, true};
}

}  // namespace

std::optional<size_t> invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const Part part = part_at(text, at);
    if (!part.valid) return at;
    at += part.length;
  }
  return std::nullopt;
}

void check_utf8(std::string_view text) {
  if (const auto bad = invalid_utf8(text))
    throw Error("text::tokenizer",
                fmt::format("the text is not UTF-8: byte {} (0x{:02x}) is invalid", *bad,
                            static_cast<unsigned char>(text[*bad])),
                "convert it to UTF-8 first");
}

std::string lossy_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    const Part part = part_at(bytes, at);
    text += part.valid ? bytes.substr(at, part.length) : std::string_view("\xef\xbf\xbd");
    at += part.length;
  }
  return text;
}

bool is_continuation(char byte) { return (static_cast<uint8_t>(byte) & 0xc0) == 0x80; }

size_t character_size(std::string_view text, size_t at) {
  const auto lead = static_cast<uint8_t>(text[at]);
  return lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

size_t previous_character(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && is_continuation(text[at])) --at;
  return at;
}

char32_t next_code_point(std::string_view text, size_t& at) {
  const auto lead = static_cast<uint8_t>(text[at++]);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
  char32_t code = lead & (0x3f >> more);
  for (int i = 0; i < more; ++i) code = code << 6 | (static_cast<uint8_t>(text[at++]) & 0x3f);
  return code;
}

void append_utf8(std::string& text, char32_t code) {
  if (code < 0x80) {
    text += static_cast<char>(code);
    return;
  }
  const int more = code >= 0x10000 ? 3 : code >= 0x800 ? 2 : 1;
  constexpr char32_t kLead[] = {0, 0xc0, 0xe0, 0xf0};
  text += static_cast<char>(kLead[more] | code >> (6 * more));
  for (int i = more - 1; i >= 0; --i) text += static_cast<char>(0x80 | (code >> (6 * i) & 0x3f));
}

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

namespace {

bool is_python_space(char32_t c) { return is_space(c) || (c >= 0x1c && c <= 0x1f); }

size_t leading(std::string_view text, bool (*taken)(char32_t)) {
  size_t end = 0;
  for (size_t at = 0; at < text.size() && taken(next_code_point(text, at));) end = at;
  return end;
}

size_t trailing(std::string_view text, bool (*taken)(char32_t)) {
  size_t start = text.size();
  while (start > 0) {
    const size_t at = previous_character(text, start);
    size_t after = at;
    if (!taken(next_code_point(text, after))) break;
    start = at;
  }
  return text.size() - start;
}

}  // namespace

size_t leading_space(std::string_view text) { return leading(text, is_space); }
size_t trailing_space(std::string_view text) { return trailing(text, is_space); }

std::string_view python_lstrip(std::string_view text) {
  text.remove_prefix(leading(text, is_python_space));
  return text;
}

std::string_view python_rstrip(std::string_view text) {
  text.remove_suffix(trailing(text, is_python_space));
  return text;
}

}  // namespace emend::text
