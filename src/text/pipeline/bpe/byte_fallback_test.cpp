#include "text/pipeline/bpe/byte_fallback.h"

#include <gtest/gtest.h>

namespace emend::text {
namespace {

TEST(ByteFallback, NamesBytesByTwoDigitsInUpperCase) {
  EXPECT_EQ(byte_token(0), "<0x00>");
  EXPECT_EQ(byte_token(0x0a), "<0x0A>");
  EXPECT_EQ(byte_token(0xe6), "<0xE6>");
}

TEST(ByteFallback, ReadsTheByteOfAToken) {
  for (int byte = 0; byte < 256; ++byte)
    EXPECT_EQ(token_byte(byte_token(static_cast<uint8_t>(byte))), byte);
  EXPECT_EQ(token_byte("<0xe6>"), 0xe6);  // as Hugging Face tokenizers
}

TEST(ByteFallback, LeavesOtherTokensAlone) {
  for (const char* token :
       {"", "a", "<0x5>", "<0xE6", "0xE6>", "<0xGG>", "<0x5G>", "<0xE6>>", "<1xE6>", "<s>", "<0x>"})
    EXPECT_EQ(token_byte(token), std::nullopt) << token;
}

}  // namespace
}  // namespace emend::text
