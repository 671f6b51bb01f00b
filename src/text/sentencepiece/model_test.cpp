#include "text/sentencepiece/model.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "text/testing/messages.h"

namespace emend::text {
namespace {

using Type = SentencePieceModel::Type;

// Fields of sentencepiece_model.proto with numbers below 16 bits and values below 128 bytes.
std::string tag(int field, int wire_type) {
  const int value = field << 3 | wire_type;
  if (value < 0x80) return std::string(1, static_cast<char>(value));
  return {static_cast<char>(value | 0x80), static_cast<char>(value >> 7)};
}
std::string integer_field(int field, int value) { return tag(field, 0) + static_cast<char>(value); }
std::string bytes_field(int field, const std::string& value) {
  return tag(field, 2) + static_cast<char>(value.size()) + value;
}
std::string float_field(int field, float value) {
  std::string bytes(4, '\0');
  std::memcpy(bytes.data(), &value, 4);
  return tag(field, 5) + bytes;
}
std::string piece_field(const std::string& text, float score, Type type) {
  return bytes_field(
      1, bytes_field(1, text) + float_field(2, score) + integer_field(3, static_cast<int>(type)));
}

const std::string kUnknown = piece_field("<unk>", 0, Type::unknown);
const std::string kBpeTrainer = bytes_field(2, integer_field(3, 2));

std::string refusal_of_model(const std::string& bytes) {
  return error_of([&] { read_sentencepiece_model(bytes, "f"); });
}
std::string damaged_model(const std::string& problem) {
  return "[text::sentencepiece] 'f': " + problem +
         ". Hint: the file is damaged, or was not written by SentencePiece";
}
std::string refused_model(const std::string& what) {
  return "[text::sentencepiece] 'f' uses " + what +
         ", which is not implemented. Hint: only SentencePiece models like Llama's are supported: "
         "BPE without normalization";
}

TEST(SentencePieceModel, HasTheDefaultsOfTheFormat) {
  const auto model =
      read_sentencepiece_model(kUnknown + bytes_field(1, bytes_field(1, "a")) + kBpeTrainer, "f");
  ASSERT_EQ(model.pieces.size(), 2u);
  EXPECT_EQ(model.pieces[1].text, "a");
  EXPECT_EQ(model.pieces[1].score, 0);
  EXPECT_EQ(model.pieces[1].type, Type::normal);
  EXPECT_EQ(model.unknown, 0);
  EXPECT_FALSE(model.byte_fallback);
  EXPECT_EQ(model.unknown_surface, " \u2047 ");
  EXPECT_TRUE(model.add_dummy_prefix);
  EXPECT_TRUE(model.remove_extra_whitespaces);
}

TEST(SentencePieceModel, ReadsPiecesInTheOrderOfTheirIds) {
  const auto model = read_sentencepiece_model(
      piece_field("▁a", -1.5, Type::normal) + kUnknown + piece_field("<s>", 0, Type::control) +
          piece_field("[X]", 0, Type::user_defined) + kBpeTrainer,
      "f");
  EXPECT_EQ(model.pieces[0].text, "▁a");
  EXPECT_EQ(model.pieces[0].score, -1.5f);
  EXPECT_EQ(model.unknown, 1);
  EXPECT_EQ(model.pieces[2].type, Type::control);
  EXPECT_EQ(model.pieces[3].type, Type::user_defined);
}

TEST(SentencePieceModel, ReadsSettings) {
  const auto model = read_sentencepiece_model(
      kUnknown + bytes_field(2, integer_field(3, 2) + bytes_field(44, "?")) +
          bytes_field(3, integer_field(3, 0) + integer_field(4, 0) + integer_field(5, 1)),
      "f");
  EXPECT_EQ(model.unknown_surface, "?");
  EXPECT_FALSE(model.add_dummy_prefix);
  EXPECT_FALSE(model.remove_extra_whitespaces);
}

TEST(SentencePieceModel, ReadsBytes) {
  std::string bytes = kUnknown + bytes_field(2, integer_field(3, 2) + integer_field(35, 1));
  for (int byte = 0; byte < 256; ++byte)
    bytes += piece_field(fmt::format("<0x{:02X}>", byte), 0, Type::byte);
  const auto model = read_sentencepiece_model(bytes, "f");
  EXPECT_TRUE(model.byte_fallback);
  EXPECT_EQ(model.pieces[1].type, Type::byte);
  const auto last = piece_field("<0xFF>", 0, Type::byte);
  EXPECT_EQ(refusal_of_model(bytes.substr(0, bytes.size() - last.size())),
            damaged_model("byte_fallback is true, but there is no piece <0xFF>"));
  EXPECT_EQ(refusal_of_model(bytes + piece_field("<0xff>", 0, Type::byte)),
            damaged_model("piece 257 '<0xff>' should not be of type byte"));
}

TEST(SentencePieceModel, NamesWhatIsNotImplemented) {
  EXPECT_EQ(refusal_of_model(kUnknown), refused_model("the model type unigram"));
  EXPECT_EQ(refusal_of_model(kUnknown + bytes_field(2, integer_field(3, 3))),
            refused_model("the model type word"));
  EXPECT_EQ(refusal_of_model(kUnknown + kBpeTrainer + bytes_field(2, integer_field(24, 1))),
            refused_model("white space as a suffix"));
  EXPECT_EQ(refusal_of_model(kUnknown + kBpeTrainer +
                             bytes_field(3, bytes_field(1, "nfkc") + bytes_field(2, "table"))),
            refused_model("normalization 'nfkc'"));
  EXPECT_EQ(refusal_of_model(kUnknown + kBpeTrainer + bytes_field(3, integer_field(5, 0))),
            refused_model("white space that is not escaped"));
  EXPECT_EQ(refusal_of_model(kUnknown + kBpeTrainer + bytes_field(5, "x")),
            refused_model("a denormalizer"));
  EXPECT_EQ(refusal_of_model(kUnknown + piece_field("a", 0, Type::unused) + kBpeTrainer),
            refused_model("the unused piece 'a'"));
}

TEST(SentencePieceModel, NamesTheDamage) {
  EXPECT_EQ(refusal_of_model(kBpeTrainer), damaged_model("there are no pieces"));
  EXPECT_EQ(refusal_of_model(piece_field("a", 0, Type::normal) + kBpeTrainer),
            damaged_model("there is no unknown piece"));
  EXPECT_EQ(refusal_of_model(kUnknown + piece_field("?", 0, Type::unknown) + kBpeTrainer),
            damaged_model("there are two unknown pieces"));
  EXPECT_EQ(refusal_of_model(kUnknown + piece_field("", 0, Type::normal) + kBpeTrainer),
            damaged_model("piece 1 is empty or not UTF-8"));
  EXPECT_EQ(refusal_of_model(kUnknown + piece_field("a", 0, Type::normal) +
                             piece_field("a", 0, Type::user_defined) + kBpeTrainer),
            damaged_model("piece 2 'a' occurs twice"));
  EXPECT_EQ(refusal_of_model(
                kUnknown + piece_field("a", std::numeric_limits<float>::infinity(), Type::normal) +
                kBpeTrainer),
            damaged_model("the score of piece 1 'a' is inf"));
  EXPECT_EQ(refusal_of_model(kUnknown + piece_field("a", 0, static_cast<Type>(7)) + kBpeTrainer),
            damaged_model("a piece has the type 7"));
  EXPECT_EQ(refusal_of_model(kUnknown + bytes_field(2, integer_field(3, 5))),
            damaged_model("model type 5"));
  EXPECT_EQ(refusal_of_model(kUnknown + bytes_field(2, bytes_field(44, "\xff"))),
            damaged_model("unk_surface is not UTF-8"));
}

}  // namespace
}  // namespace emend::text
