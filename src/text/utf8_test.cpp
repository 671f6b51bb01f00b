#include "text/utf8.h"

#include <gtest/gtest.h>

#include "text/testing/messages.h"

namespace emend::text {
namespace {

TEST(Utf8, FindsTheFirstInvalidByte) {
  EXPECT_EQ(invalid_utf8(""), std::nullopt);
  EXPECT_EQ(invalid_utf8("a\u00e9\u661f\U0001f600"), std::nullopt);
  EXPECT_EQ(invalid_utf8("\x7f\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"),
            std::nullopt);
  EXPECT_EQ(invalid_utf8("ab\xff"), 2u);
  EXPECT_EQ(invalid_utf8("a\x80"), 1u);  // a continuation byte alone
  EXPECT_EQ(invalid_utf8("\xc3"), 0u);   // the end is missing
  EXPECT_EQ(invalid_utf8("é\xe2\x82"), 2u);
  EXPECT_EQ(invalid_utf8("\xc1\xbf"), 0u);          // overlong
  EXPECT_EQ(invalid_utf8("\xe0\x9f\xbf"), 0u);      // overlong
  EXPECT_EQ(invalid_utf8("\xf0\x8f\xbf\xbf"), 0u);  // overlong
  EXPECT_EQ(invalid_utf8("\xed\xa0\x80"), 0u);      // a surrogate
  EXPECT_EQ(invalid_utf8("\xf4\x90\x80\x80"), 0u);  // beyond U+10FFFF
  EXPECT_EQ(invalid_utf8("\xf5\x80\x80\x80"), 0u);
}

TEST(Utf8, NamesTheInvalidByte) {
  EXPECT_EQ(error_of([] { check_utf8("aé"); }), "no error");
  EXPECT_EQ(error_of([] { check_utf8("aé\x85"); }),
            "[text::tokenizer] the text is not UTF-8: byte 3 (0x85) is invalid. Hint: convert it "
            "to UTF-8 first");
}

// As bytes.decode("utf-8", "replace") in Python.
TEST(Utf8, ReplacesEveryInvalidSequenceOnce) {
  EXPECT_EQ(lossy_utf8("aé"), "aé");
  EXPECT_EQ(lossy_utf8("a\xff"
                       "b"),
            "a\ufffdb");
  EXPECT_EQ(lossy_utf8("\xe2\x82"
                       "b"),
            "\ufffdb");
  EXPECT_EQ(lossy_utf8("\xf0\x9f\x98"), "\ufffd");
  EXPECT_EQ(lossy_utf8("\xc3\xc3\xa9"), "\ufffdé");
  EXPECT_EQ(lossy_utf8("\xed\xa0\x80"), "\ufffd\ufffd\ufffd");
  EXPECT_EQ(lossy_utf8("\xc0\xaf"), "\ufffd\ufffd");
  EXPECT_EQ(lossy_utf8("\xf4\x90\x80\x80"), "\ufffd\ufffd\ufffd\ufffd");
}

TEST(Utf8, StepsThroughCharacters) {
  const std::string text = "aé星😀";
  const size_t starts[] = {0, 1, 3, 6, 10};
  const char32_t codes[] = {0x61, 0xe9, 0x661f, 0x1f600};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(character_size(text, starts[i]), starts[i + 1] - starts[i]) << i;
    EXPECT_EQ(previous_character(text, starts[i + 1]), starts[i]) << i;
    size_t at = starts[i];
    EXPECT_EQ(next_code_point(text, at), codes[i]) << i;
    EXPECT_EQ(at, starts[i + 1]) << i;
  }
  EXPECT_FALSE(is_continuation('a'));
  EXPECT_FALSE(is_continuation('\xc3'));
  EXPECT_TRUE(is_continuation('\x80'));
  EXPECT_TRUE(is_continuation('\xbf'));
}

TEST(Utf8, WritesWhatItReads) {
  for (const char32_t code : {0x0, 0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff}) {
    std::string text;
    append_utf8(text, code);
    size_t at = 0;
    EXPECT_EQ(invalid_utf8(text), std::nullopt) << static_cast<uint32_t>(code);
    EXPECT_EQ(next_code_point(text, at), code);
    EXPECT_EQ(at, text.size()) << static_cast<uint32_t>(code);
  }
}

TEST(Utf8, KnowsWhiteSpace) {
  for (const char32_t code :
       {0x9, 0xd, 0x20, 0x85, 0xa0, 0x1680, 0x2000, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000})
    EXPECT_TRUE(is_space(code)) << static_cast<uint32_t>(code);
  for (const char32_t code : {0x8, 0xe, 0x1c, 0x1f, 0x61, 0x180e, 0x200b, 0x2060, 0xfeff})
    EXPECT_FALSE(is_space(code)) << static_cast<uint32_t>(code);
}

TEST(Utf8, MeasuresWhiteSpaceAtBothEnds) {
  EXPECT_EQ(leading_space("\u3000 \tx "), 5u);
  EXPECT_EQ(trailing_space("x \u00a0\u2003"), 6u);
  EXPECT_EQ(leading_space("x"), 0u);
  EXPECT_EQ(trailing_space(""), 0u);
  EXPECT_EQ(trailing_space(" \n"), 2u);
  EXPECT_EQ(leading_space("\x1cx"), 0u);
}

// As str.lstrip and str.rstrip in Python.
TEST(Utf8, StripsAsPython) {
  EXPECT_EQ(python_lstrip("\x1c\u3000 a "), "a ");
  EXPECT_EQ(python_rstrip(" a \u2003\x1f"), " a");
  EXPECT_EQ(python_lstrip(" \n"), "");
  EXPECT_EQ(python_rstrip("a\u200b"), "a\u200b");
}

}  // namespace
}  // namespace emend::text
