#include "text/pipeline/bpe/byte_level.h"

#include <array>
#include <cstdint>

#include "text/utf8.h"

namespace emend::text {
namespace {

constexpr bool prints(int byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

constexpr std::array<char32_t, 256> make_symbols() {
  std::array<char32_t, 256> symbols{};
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte)
    symbols[byte] = prints(byte) ? static_cast<char32_t>(byte) : next++;
  return symbols;
}
constexpr auto kSymbols = make_symbols();
constexpr char32_t kEnd = 0x100 + 68;  // 68 bytes are not printable

constexpr std::array<int16_t, kEnd> make_bytes() {
  std::array<int16_t, kEnd> bytes{};
  for (auto& byte : bytes) byte = -1;
  for (int byte = 0; byte < 256; ++byte) bytes[kSymbols[byte]] = static_cast<int16_t>(byte);
  return bytes;
}
constexpr auto kBytes = make_bytes();

}  // namespace

std::string byte_symbol(unsigned char byte) {
  std::string symbol;
  append_utf8(symbol, kSymbols[byte]);
  return symbol;
}

std::string byte_symbols(std::string_view bytes) {
  std::string symbols;
  symbols.reserve(bytes.size() + bytes.size() / 4);
  for (char byte : bytes) append_utf8(symbols, kSymbols[static_cast<unsigned char>(byte)]);
  return symbols;
}

std::string token_bytes(std::string_view token) {
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    const char32_t code = next_code_point(token, at);
    if (code >= kEnd || kBytes[code] < 0) return std::string(token);
    bytes += static_cast<char>(kBytes[code]);
  }
  return bytes;
}

}  // namespace emend::text
