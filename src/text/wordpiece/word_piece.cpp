#include "text/wordpiece/word_piece.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"
#include "text/pipeline/bpe/vocabulary.h"
#include "text/utf8.h"

namespace emend::text {
namespace {

constexpr const char* kWordPiecePlace = "text::word_piece";

}  // namespace

WordPiece::WordPiece(Vocabulary vocabulary, Options options)
    : vocabulary_(std::move(vocabulary)),
      tokens_(tokens_by_id(vocabulary_, kWordPiecePlace)),
      options_(std::move(options)) {
  const auto unknown = id(options_.unknown);
  if (!unknown)
    throw Error(kWordPiecePlace,
                fmt::format("the unknown token '{}' is not in the vocabulary", options_.unknown),
                "add it to the vocabulary, or choose another unknown token");
  unknown_ = *unknown;
}

void WordPiece::encode(std::string_view word, std::vector<int64_t>& ids) const {
  const auto begun = ids.size();
  const auto unknown = [&] {
    ids.resize(begun);
    ids.push_back(unknown_);
  };
  const auto characters =
      std::count_if(word.begin(), word.end(), [](char byte) { return !is_continuation(byte); });
  if (characters > options_.most) return unknown();
  std::string piece;
  for (size_t start = 0; start < word.size();) {
    const auto prefix = start > 0 ? std::string_view(options_.prefix) : std::string_view();
    piece.assign(prefix).append(word.substr(start));
    auto found = vocabulary_.find(piece);
    while (found == vocabulary_.end()) {
      piece.resize(previous_character(piece, piece.size()));
      if (piece.size() <= prefix.size()) return unknown();
      found = vocabulary_.find(piece);
    }
    ids.push_back(found->second);
    start += piece.size() - prefix.size();
  }
}

std::optional<int64_t> WordPiece::id(const std::string& token) const {
  const auto found = vocabulary_.find(token);
  if (found == vocabulary_.end()) return std::nullopt;
  return found->second;
}

const std::string* WordPiece::token(int64_t id) const {
  const auto found = tokens_.find(id);
  return found == tokens_.end() ? nullptr : &found->second;
}

}  // namespace emend::text
