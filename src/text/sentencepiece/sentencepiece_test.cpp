// Tests reading tokenizer.model, and encoding and decoding with it.
#include "text/sentencepiece/sentencepiece.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <ctime>
#include <filesystem>
#include <limits>

#include "io/error.h"
#include "text/sentencepiece/model.h"
#include "text/tokenizer.h"

namespace emend::text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Type = SentencePieceModel::Type;

// Writes Protocol Buffers by hand: a field is its tag, then a number or a length with bytes.
std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out += static_cast<char>(value);
}
std::string number(int field, uint64_t value) { return varint(field << 3) + varint(value); }
std::string bytes(int field, const std::string& value) {
  return varint(field << 3 | 2) + varint(value.size()) + value;
}
std::string piece(const std::string& text, float score, Type type = Type::normal) {
  std::string real(4, '\0');
  std::memcpy(real.data(), &score, 4);
  return bytes(1, bytes(1, text) + varint(2 << 3 | 5) + real +
                      (type == Type::normal ? "" : number(3, static_cast<uint64_t>(type))));
}

const std::string kBpe = bytes(2, number(3, 2));
std::string specials() {
  return piece("<unk>", 0, Type::unknown) + piece("<s>", 0, Type::control) +
         piece("</s>", 0, Type::control);
}
// Without normalization: spaces are kept, and one is added in front.
std::string model() {
  return specials() + piece("[X]", 0, Type::user_defined) + piece("▁a", -1) + piece("ab", -2) +
         piece("bb", -2) + piece("▁", -3) + piece("a", -4) + piece("b", -5) + kBpe +
         bytes(3, bytes(1, "identity") + number(4, 0));
}

std::vector<std::string> encode(const std::string& data, const std::string& text) {
  return SentencePiece(read_sentencepiece_model(data, "m")).encode(text);
}
std::string decode(const std::string& data, const std::vector<std::string>& pieces) {
  return SentencePiece(read_sentencepiece_model(data, "m")).decode(pieces);
}
std::string model_refusal(const std::string& data) {
  try {
    read_sentencepiece_model(data, "file.model");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(SentencePiece, MergesTheBestPairThenTheLeftmost) {
  EXPECT_THAT(encode(model(), "ab"), ElementsAre("▁a", "b"));
  EXPECT_THAT(encode(model(), "bab"), ElementsAre("▁", "b", "ab"));
  EXPECT_THAT(encode(model(), "bbb"), ElementsAre("▁", "bb", "b"));
  EXPECT_THAT(encode(model(), "b  a"), ElementsAre("▁", "b", "▁", "▁a"));
  EXPECT_THAT(encode(model(), ""), IsEmpty());
}

TEST(SentencePiece, DoesNotSplitUserDefinedPieces) {
  EXPECT_THAT(encode(model(), "a[X]b[X"), ElementsAre("▁a", "[X]", "b", "[X"));
}

TEST(SentencePiece, JoinsUnknownCharactersOrFallsBackToBytes) {
  EXPECT_THAT(encode(model(), "xyab<s>"), ElementsAre("▁", "xy", "ab", "<s>"));
  std::string all = model() + bytes(2, number(35, 1));
  for (int byte = 0; byte < 256; ++byte)
    all += piece(fmt::format("<0x{:02X}>", byte), 0, Type::byte);
  EXPECT_THAT(encode(all, "aéb"), ElementsAre("▁a", "<0xC3>", "<0xA9>", "b"));
  EXPECT_EQ(decode(all, {"▁a", "<0xC3>", "<0xA9>", "b", "<0xE2>", "<0x82>"}), "aéb\ufffd\ufffd");
}

TEST(SentencePiece, RemovesExtraSpacesIfTheModelSaysSo) {
  const std::string trims = model() + bytes(3, number(4, 1));
  EXPECT_THAT(encode(trims, "  b   a "), ElementsAre("▁", "b", "▁a"));
  EXPECT_THAT(encode(trims, "   "), IsEmpty());
  EXPECT_EQ(decode(trims, {"▁", "▁", "▁a", "▁", "b"}), "a b");
}

TEST(SentencePiece, DecodesUnknownPiecesAsThemselves) {
  EXPECT_EQ(decode(model(), {"▁a", "<s>", "▁a", "<unk>", "x▁y"}), "a a \u2047 x▁y");
  EXPECT_EQ(decode(model(), {"▁", "▁a"}), " a");
}

TEST(SentencePiece, NamesWhatIsNotImplemented) {
  EXPECT_THAT(model_refusal(specials()), HasSubstr("the model type unigram"));
  EXPECT_THAT(model_refusal(specials() + bytes(2, number(3, 4))), HasSubstr("the model type char"));
  EXPECT_THAT(model_refusal(model() + bytes(3, bytes(1, "nmt_nfkc") + bytes(2, "table"))),
              HasSubstr("'nmt_nfkc'"));
  EXPECT_THAT(model_refusal(model() + bytes(2, number(24, 1))), HasSubstr("suffix"));
  EXPECT_THAT(model_refusal(model() + bytes(3, number(5, 0))), HasSubstr("escaped"));
  EXPECT_THAT(model_refusal(model() + piece("old", 0, Type::unused)), HasSubstr("'old'"));
}

TEST(SentencePiece, NamesTheDamage) {
  EXPECT_EQ(model_refusal(model()), "no error");
  EXPECT_THAT(model_refusal(""), HasSubstr("there are no pieces"));
  EXPECT_THAT(model_refusal(model().substr(0, 40)), HasSubstr("missing at its end"));
  EXPECT_THAT(model_refusal(std::string(12, '\xff')), HasSubstr("more than ten bytes"));
  EXPECT_THAT(model_refusal("\x0b"), HasSubstr("wire type 3"));
  EXPECT_THAT(model_refusal(number(1, 5)), HasSubstr("should be bytes"));
  EXPECT_THAT(model_refusal(piece("a", 0) + kBpe), HasSubstr("no unknown piece"));
  EXPECT_THAT(model_refusal(model() + piece("<b>", 0, Type::unknown)),
              HasSubstr("two unknown pieces"));
  EXPECT_THAT(model_refusal(model() + piece("ab", 0)), HasSubstr("'ab' occurs twice"));
  EXPECT_THAT(model_refusal(model() + piece("", 0)), HasSubstr("empty"));
  EXPECT_THAT(model_refusal(model() + piece("\xff", 0)), HasSubstr("UTF-8"));
  EXPECT_THAT(model_refusal(model() + piece("n", std::numeric_limits<float>::quiet_NaN())),
              HasSubstr("nan"));
  EXPECT_THAT(model_refusal(model() + piece("<0x41>", 0, Type::byte)), HasSubstr("type byte"));
  EXPECT_THAT(model_refusal(model() + bytes(2, number(35, 1))), HasSubstr("<0x00>"));
}

TEST(SentencePiece, LongTextsTakeLinearTime) {
  namespace fs = std::filesystem;
  const auto folder = fs::path(EMEND_SOURCE_DIR) / "src/text/testdata/small_llama";
  const auto tokenizer = Tokenizer::load(folder.string());
  const std::clock_t start = std::clock();
  for (const char* unit : {"a", "the ", "星", " ", "\n", "1", "<s>", "[BOTH]", "é!"}) {
    std::string text;
    while (text.size() < 1 << 18) text += unit;
    EXPECT_FALSE(tokenizer->encode(text, true).empty());
  }
  EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, 60);
}

}  // namespace
}  // namespace emend::text
