#include "text/pipeline/normalization/nfc.h"

#include "text/unicode.h"
#include "text/utf8.h"

namespace emend::text {
namespace {

// Hugging Face tokenizers normalize with the tables of Unicode 9. These characters are newer:
// combining marks, and those of composing pairs. They are treated as plain characters.
struct CharacterRange {
  char32_t first, last;
};
constexpr CharacterRange kLater[] = {
    {0x898, 0x898},     {0x89c, 0x89f},     {0x8ca, 0x8ce},     {0x9fe, 0x9fe},
    {0xc3c, 0xc3c},     {0xd3b, 0xd3c},     {0xeba, 0xeba},     {0x1715, 0x1715},
    {0x1ac1, 0x1ac2},   {0x1ac5, 0x1ac9},   {0x1acb, 0x1ace},   {0x1df6, 0x1df8},
    {0x1dfa, 0x1dfa},   {0xa82c, 0xa82c},   {0x10d24, 0x10d27}, {0x10eab, 0x10eac},
    {0x10efd, 0x10eff}, {0x10f46, 0x10f50}, {0x10f82, 0x10f85}, {0x11070, 0x11070},
    {0x1133b, 0x1133b}, {0x1145e, 0x1145e}, {0x11839, 0x1183a}, {0x11930, 0x11930},
    {0x11935, 0x11935}, {0x11938, 0x11938}, {0x1193d, 0x1193e}, {0x11943, 0x11943},
    {0x119e0, 0x119e0}, {0x11a34, 0x11a34}, {0x11a47, 0x11a47}, {0x11a99, 0x11a99},
    {0x11d42, 0x11d42}, {0x11d44, 0x11d45}, {0x11d97, 0x11d97}, {0x11f41, 0x11f42},
    {0x16ff0, 0x16ff1}, {0x1e08f, 0x1e08f}, {0x1e130, 0x1e136}, {0x1e2ae, 0x1e2ae},
    {0x1e2ec, 0x1e2ef}, {0x1e4ec, 0x1e4ef},
};

bool assigned_later(char32_t c) {
  if (c < kLater[0].first) return false;
  for (const CharacterRange& range : kLater)
    if (c >= range.first && c <= range.last) return true;
  return false;
}

}  // namespace

std::string nfc(std::string_view text) {
  bool ascii = true;
  for (char c : text) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
  if (ascii) return std::string(text);
  // A plain character does not compose with others, so the parts before and after it are
  // independent.
  std::string out;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    if (!assigned_later(next_code_point(text, at))) continue;
    out += compose(text.substr(done, start - done));
    out += text.substr(start, at - start);
    done = at;
  }
  return out += compose(text.substr(done));
}

}  // namespace emend::text
