#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace emend::text {

// The content of SentencePiece's tokenizer.model (sentencepiece_model.proto).
struct SentencePieceModel {
  enum class Type { normal = 1, unknown, control, user_defined, unused, byte };
  struct Piece {
    std::string text;
    float score = 0;
    Type type = Type::normal;
  };
  std::vector<Piece> pieces;  // by ID
  int64_t unknown = -1;       // ID of the unknown piece
  bool byte_fallback = false;
  std::string unknown_surface = " \u2047 ";  // text of the unknown piece when decoding
  bool add_dummy_prefix = true;              // a space before every text
  bool remove_extra_whitespaces = true;
};

// Throws emend::Error that names `name` if the data is damaged or inconsistent, or needs something
// that is not implemented: model types other than BPE, normalization by a character table (Llama
// has none), white space as a suffix, and pieces of type unused.
SentencePieceModel read_sentencepiece_model(std::string_view bytes, const std::string& name);

}  // namespace emend::text
