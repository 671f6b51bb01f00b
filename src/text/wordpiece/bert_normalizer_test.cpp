// Compares BERT's steps on every character with Hugging Face tokenizers
// (tools/reference/text/make_word_piece_fixtures.py defines the hashes).
#include "text/wordpiece/bert_normalizer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>

#include "io/json/json.h"
#include "text/utf8.h"
#include "text/wordpiece/bert_characters.h"

namespace emend::text {
namespace {

nlohmann::json expected() {
  return read_json(EMEND_SOURCE_DIR "/src/text/testdata/bert_characters.json");
}

std::string hash(const std::string& bytes) {
  uint32_t value = 0x811c9dc5;
  for (char c : bytes) value = (value ^ static_cast<unsigned char>(c)) * 0x01000193u;
  return fmt::format("{:08x}", value);
}

void normalizer_agrees(const std::string& name,
                       const std::function<std::string(const std::string&)>& step) {
  const auto hashes = expected()[name].get<std::string>();
  ASSERT_EQ(hashes.size(), 8u * 0x110);
  for (char32_t block = 0; block < 0x110; ++block) {
    std::string text;
    for (char32_t c = block << 12; c < (block + 1) << 12; ++c) {
      if (c >= 0xd800 && c < 0xe000) continue;
      std::string one = "a";
      append_utf8(one, c);
      text += step(one + "b") + "\n";
    }
    EXPECT_EQ(hash(text), hashes.substr(8 * block, 8))
        << name << fmt::format(", U+{:04X} and on", block << 12);
  }
}

TEST(BertNormalizer, NormalizesEveryCharacterAsHuggingFace) {
  normalizer_agrees("uncased", BertNormalizer{});
  normalizer_agrees("cased", BertNormalizer{true, true, false, false});
}

TEST(BertNormalizer, SplitsAtEveryCharacterAsHuggingFace) {
  normalizer_agrees("words", [](const std::string& text) {
    size_t at = 1;
    const auto c = next_code_point(text, at);
    if (is_space(c)) return std::string("a|b");
    return is_bert_punctuation(c) ? "a|" + text.substr(1, at - 1) + "|b" : text;
  });
}

TEST(BertNormalizer, NormalizesMarksInAnyOrderAsHuggingFace) {
  const auto ranges = expected()["ranges"].get<std::vector<std::vector<int64_t>>>();
  uint32_t state = 12345;
  const auto below = [&](int64_t n) {
    state = (state * 1103515245u + 12345u) & 0x7fffffff;
    return static_cast<int64_t>(state >> 8) % n;
  };
  std::string all;
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (auto left = 1 + below(8); left > 0; --left) {
      const auto& range = ranges[below(static_cast<int64_t>(ranges.size()))];
      append_utf8(text, static_cast<char32_t>(range[0] + below(range[1] - range[0] + 1)));
    }
    all += BertNormalizer{}(text) + "\n";
  }
  EXPECT_EQ(hash(all), expected()["mixed"].get<std::string>());
}

}  // namespace
}  // namespace emend::text
