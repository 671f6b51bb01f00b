#include "text/wordpiece/bert_characters.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace emend::text {
namespace {

// The classes of a character: d(ropped), i(deograph), m(ark), r(eordered), p(unctuation).
std::string classes(char32_t c) {
  return std::string(is_bert_dropped(c) ? "d" : "") + (is_bert_ideograph(c) ? "i" : "") +
         (is_bert_mark(c) ? "m" : "") + (is_bert_moving(c) ? "r" : "") +
         (is_bert_punctuation(c) ? "p" : "");
}

// bert_normalizer_test.cpp compares all characters with Hugging Face tokenizers.
TEST(BertCharacters, AreDroppedIfTheyControlOrFormat) {
  for (const char32_t c :
       {0x0, 0x8, 0x1f, 0x7f, 0x80, 0xad, 0x200b, 0x200d, 0xfeff, 0xfffd, 0xe000})
    EXPECT_EQ(classes(c), "d") << static_cast<uint32_t>(c);
  for (const char32_t c : {'\t', '\n', '\r', ' ', 'a'}) EXPECT_EQ(classes(c), "");
}

TEST(BertCharacters, AreIdeographsInTheCjkBlocks) {
  for (const char32_t c : {0x3400, 0x4dbf, 0x4e00, 0x9fff, 0xf900, 0xfaff, 0x20000, 0x2f800})
    EXPECT_EQ(classes(c), "i") << static_cast<uint32_t>(c);
  for (const char32_t c : {0x3042, 0x30a2, 0xac00}) EXPECT_EQ(classes(c), "");  // kana, Hangul
}

TEST(BertCharacters, AreMarksIfTheyAreNonspacing) {
  EXPECT_EQ(classes(0x301), "mr");
  EXPECT_EQ(classes(0x591), "mr");
  EXPECT_EQ(classes(0x903), "");  // a spacing mark
  EXPECT_EQ(classes(0xe9), "");
}

TEST(BertCharacters, ArePunctuationOrSymbolsOfAscii) {
  for (const char32_t c : {'!', '/', ':', '@', '[', '`', '{', '~', '$', '+', '<', '^', '|'})
    EXPECT_EQ(classes(c), "p") << static_cast<uint32_t>(c);
  for (const char32_t c : {0xa1, 0xbf, 0x2014, 0x201c, 0x3001, 0xff01})
    EXPECT_EQ(classes(c), "p") << static_cast<uint32_t>(c);
  for (const char32_t c : {0xa2, 0xb1, 0x20ac}) EXPECT_EQ(classes(c), "");  // other symbols
}

}  // namespace
}  // namespace emend::text
