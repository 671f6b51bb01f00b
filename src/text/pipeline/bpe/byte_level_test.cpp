#include "text/pipeline/bpe/byte_level.h"

#include <gtest/gtest.h>

#include <set>

namespace emend::text {
namespace {

// As bytes_to_unicode in transformers.
TEST(ByteLevel, MapsPrintableBytesToThemselves) {
  EXPECT_EQ(byte_symbol('!'), "!");
  EXPECT_EQ(byte_symbol('~'), "~");
  EXPECT_EQ(byte_symbol(0xa1), "¡");
  EXPECT_EQ(byte_symbol(0xae), "®");
  EXPECT_EQ(byte_symbol(0xff), "ÿ");
}

TEST(ByteLevel, NumbersTheOtherBytesFromU0100) {
  EXPECT_EQ(byte_symbol(0x00), "\u0100");
  EXPECT_EQ(byte_symbol('\n'), "Ċ");
  EXPECT_EQ(byte_symbol(' '), "Ġ");
  EXPECT_EQ(byte_symbol(0x7f), "\u0121");
  EXPECT_EQ(byte_symbol(0xa0), "\u0142");
  EXPECT_EQ(byte_symbol(0xad), "\u0143");
}

TEST(ByteLevel, HasASymbolOfItsOwnForEveryByte) {
  std::set<std::string> symbols;
  for (int byte = 0; byte < 256; ++byte) {
    const auto symbol = byte_symbol(static_cast<unsigned char>(byte));
    symbols.insert(symbol);
    EXPECT_EQ(token_bytes(symbol), std::string(1, static_cast<char>(byte))) << byte;
  }
  EXPECT_EQ(symbols.size(), 256u);
}

TEST(ByteLevel, MapsEveryByteOfAText) {
  EXPECT_EQ(byte_symbols("é \n"), "Ã©ĠĊ");
  EXPECT_EQ(byte_symbols(""), "");
  EXPECT_EQ(token_bytes("Ã©ĠĊ"), "é \n");
  EXPECT_EQ(token_bytes("Ã"), "\xc3");
}

TEST(ByteLevel, KeepsTokensWithOtherCharacters) {
  EXPECT_EQ(token_bytes("Ã©星"), "Ã©星");
  EXPECT_EQ(token_bytes("a b"), "a b");                    // a space is not a symbol
  EXPECT_EQ(token_bytes("\u0143\u0144"), "\u0143\u0144");  // U+0143 is the last symbol
}

}  // namespace
}  // namespace emend::text
