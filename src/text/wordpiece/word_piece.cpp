#include "text/wordpiece/word_piece.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"

namespace emend::text {
namespace {

constexpr const char* kWordPiecePlace = "text::word_piece";

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }

}  // namespace

WordPiece::WordPiece(Vocabulary vocabulary, Options options)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)) {
  for (const auto& [token, id] : vocabulary_)
    if (const auto [other, fresh] = tokens_.emplace(id, token); !fresh)
      throw Error(kWordPiecePlace,
                  fmt::format("tokens '{}' and '{}' share the ID {}",
                              std::min(token, other->second), std::max(token, other->second), id),
                  "give each token a unique ID");
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
      std::count_if(word.begin(), word.end(), [](char byte) { return !continues(byte); });
  if (characters > options_.most) return unknown();
  std::string piece;
  for (size_t start = 0; start < word.size();) {
    const auto prefix = start > 0 ? std::string_view(options_.prefix) : std::string_view();
    piece.assign(prefix).append(word.substr(start));
    auto found = vocabulary_.find(piece);
    while (found == vocabulary_.end()) {
      while (continues(piece.back())) piece.pop_back();
      piece.pop_back();
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
