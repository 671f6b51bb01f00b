#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace emend::text {

// What SentencePiece's tokenizer.model says (its sentencepiece_model.proto).
struct SentencePieceModel {
  enum class Type { normal = 1, unknown, control, user_defined, unused, byte };
  struct Piece {
    std::string text;
    float score = 0;
    Type type = Type::normal;
  };
  std::vector<Piece> pieces;  // by id
  int64_t unknown = -1;       // its id
  bool byte_fallback = false;
  std::string unknown_surface = " \u2047 ";  // what decoding makes of the unknown piece
  bool add_dummy_prefix = true;              // a space before every text
  bool remove_extra_whitespaces = true;
};

// Throws emend::Error naming `name` when the bytes are damaged, do not fit together, or ask for
// what is not implemented: model types other than BPE, normalisation by a table of characters
// (Llama has none), white space as a suffix, pieces of type unused.
SentencePieceModel read_sentencepiece_model(std::string_view bytes, const std::string& name);

}  // namespace emend::text
