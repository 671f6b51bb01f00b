#include "text/pipeline/normalization/nfc.h"

#include <gtest/gtest.h>

#include <string>

namespace emend::text {
namespace {

// The expected texts are those of normalizers.NFC in Hugging Face tokenizers.
TEST(Nfc, ComposesLettersAndMarks) {
  EXPECT_EQ(nfc("e\u0301"), "é");
  EXPECT_EQ(nfc("caf\u0065\u0301 e"), "café e");
  EXPECT_EQ(nfc("\u1100\u1161\u11a8"), "각");  // Hangul
  EXPECT_EQ(nfc("abc"), "abc");
  EXPECT_EQ(nfc(""), "");
}

TEST(Nfc, OrdersMarksByTheirClass) {
  EXPECT_EQ(nfc("a\u0315\u0300"), "\u00e0\u0315");
  EXPECT_EQ(nfc("\u1e9b\u0323"), "\u1e9b\u0323");
}

TEST(Nfc, ReplacesCharactersThatAreNotAllowedInNfc) {
  EXPECT_EQ(nfc("\u212b"), "\u00c5");        // the sign of the unit becomes the letter
  EXPECT_EQ(nfc("\u0958"), "\u0915\u093c");  // excluded from composition
  EXPECT_EQ(nfc("\u0344"), "\u0308\u0301");
}

TEST(Nfc, TreatsCharactersAfterUnicode9AsPlain) {
  EXPECT_EQ(nfc("\U00011935\U00011930"), "\U00011935\U00011930");  // a pair of Unicode 13
  // Marks of Unicode 14 are not reordered, and nothing composes across them.
  EXPECT_EQ(nfc("a\u0c3c\u0301"), "a\u0c3c\u0301");
  EXPECT_EQ(nfc("a\u0301\u0c3c\u0301"), "\u00e1\u0c3c\u0301");
}

}  // namespace
}  // namespace emend::text
