#include "text/sentencepiece/model.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <unordered_set>

#include "io/error.h"
#include "text/pipeline/bpe/byte_fallback.h"
#include "text/sentencepiece/protobuf.h"
#include "text/utf8.h"

namespace emend::text {
namespace {

using Model = SentencePieceModel;
constexpr const char* kModelPlace = "text::sentencepiece";

[[noreturn]] void damaged(const std::string& name, const std::string& problem) {
  throw Error(kModelPlace, fmt::format("'{}': {}", name, problem),
              "the file is damaged, or was not written by SentencePiece");
}

[[noreturn]] void refuse_model(const std::string& name, const std::string& what) {
  throw Error(kModelPlace, fmt::format("'{}' uses {}, which is not implemented", name, what),
              "only SentencePiece models like Llama's are supported: BPE without normalization");
}

Model::Piece read_piece(std::string_view bytes, const std::string& name) {
  Model::Piece piece;
  for (Fields fields(bytes, name); fields.next();) {
    if (fields.number() == 1) {
      piece.text = fields.bytes();
    } else if (fields.number() == 2) {
      piece.score = fields.real();
    } else if (fields.number() == 3) {
      const uint64_t type = fields.integer();
      if (type < 1 || type > 6) damaged(name, fmt::format("a piece has the type {}", type));
      piece.type = static_cast<Model::Type>(type);
    }
  }
  return piece;
}

void read_trainer(std::string_view bytes, const std::string& name, Model& model,
                  uint64_t& model_type) {
  for (Fields fields(bytes, name); fields.next();) {
    if (fields.number() == 3) {
      model_type = fields.integer();
    } else if (fields.number() == 24) {
      if (fields.boolean()) refuse_model(name, "white space as a suffix");
    } else if (fields.number() == 35) {
      model.byte_fallback = fields.boolean();
    } else if (fields.number() == 44) {
      model.unknown_surface = fields.bytes();
      if (invalid_utf8(model.unknown_surface)) damaged(name, "unk_surface is not UTF-8");
    }
  }
}

void read_normalizer(std::string_view bytes, const std::string& name, Model& model) {
  std::string_view kind = "custom", table;
  for (Fields fields(bytes, name); fields.next();) {
    if (fields.number() == 1) {
      kind = fields.bytes();
    } else if (fields.number() == 2) {
      table = fields.bytes();
    } else if (fields.number() == 3) {
      model.add_dummy_prefix = fields.boolean();
    } else if (fields.number() == 4) {
      model.remove_extra_whitespaces = fields.boolean();
    } else if (fields.number() == 5) {
      if (!fields.boolean()) refuse_model(name, "white space that is not escaped");
    }
  }
  if (!table.empty()) refuse_model(name, fmt::format("normalization '{}'", lossy_utf8(kind)));
}

void check(Model& model, const std::string& name) {
  std::unordered_set<std::string_view> looked_for, reserved;
  std::array<bool, 256> bytes{};
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const Model::Piece& piece = model.pieces[id];
    if (piece.text.empty() || invalid_utf8(piece.text))
      damaged(name, fmt::format("piece {} is empty or not UTF-8", id));
    if (!std::isfinite(piece.score))
      damaged(name, fmt::format("the score of piece {} '{}' is {}", id, piece.text, piece.score));
    const bool plain = piece.type == Model::Type::normal || piece.type == Model::Type::user_defined;
    if (!(plain ? looked_for : reserved).insert(piece.text).second)
      damaged(name, fmt::format("piece {} '{}' occurs twice", id, piece.text));
    if (piece.type == Model::Type::unused)
      refuse_model(name, fmt::format("the unused piece '{}'", piece.text));
    if (piece.type == Model::Type::unknown) {
      if (model.unknown >= 0) damaged(name, "there are two unknown pieces");
      model.unknown = static_cast<int64_t>(id);
    }
    if (piece.type == Model::Type::byte) {
      const auto byte = token_byte(piece.text);
      if (!model.byte_fallback || !byte || byte_token(*byte) != piece.text)
        damaged(name, fmt::format("piece {} '{}' should not be of type byte", id, piece.text));
      bytes[*byte] = true;
    }
  }
  if (model.unknown < 0) damaged(name, "there is no unknown piece");
  for (int byte = 0; byte < 256 && model.byte_fallback; ++byte)
    if (!bytes[byte])
      damaged(name, fmt::format("byte_fallback is true, but there is no piece {}",
                                byte_token(static_cast<uint8_t>(byte))));
}

}  // namespace

SentencePieceModel read_sentencepiece_model(std::string_view bytes, const std::string& name) {
  static constexpr const char* kTypes[] = {"?", "unigram", "BPE", "word", "char"};
  Model model;
  uint64_t model_type = 1;
  for (Fields fields(bytes, name); fields.next();) {
    if (fields.number() == 1)
      model.pieces.push_back(read_piece(fields.bytes(), name));
    else if (fields.number() == 2)
      read_trainer(fields.bytes(), name, model, model_type);
    else if (fields.number() == 3)
      read_normalizer(fields.bytes(), name, model);
    else if (fields.number() == 5 && !fields.bytes().empty())
      refuse_model(name, "a denormalizer");
  }
  if (model.pieces.empty()) damaged(name, "there are no pieces");
  if (model_type < 1 || model_type > 4) damaged(name, fmt::format("model type {}", model_type));
  if (model_type != 2) refuse_model(name, fmt::format("the model type {}", kTypes[model_type]));
  check(model, name);
  return model;
}

}  // namespace emend::text
