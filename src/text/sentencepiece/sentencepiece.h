#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/pipeline/bpe/trie.h"
#include "text/sentencepiece/model.h"

namespace emend::text {

inline constexpr std::string_view kMetaspace = "▁";  // U+2581, which stands for a space in pieces

// SentencePiece's BPE (Kudo and Richardson 2018): among all neighboring pairs that form a piece,
// the one with the highest score is merged first. This is emend's own code, because Debian's
// libsentencepiece exports another version of Protocol Buffers than LibTorch, and both cannot be
// loaded together.
class SentencePiece {
 public:
  explicit SentencePiece(SentencePieceModel model);
  SentencePiece(const SentencePiece&) = delete;

  // `text` must be valid UTF-8. A run of unknown characters is one piece or, with byte fallback,
  // <0xE6> for each byte. O(n log n) for every text.
  std::vector<std::string> encode(std::string_view text) const;
  // Strings that are not pieces are decoded as themselves.
  std::string decode(const std::vector<std::string>& pieces) const;

  int64_t id(std::string_view piece) const;  // the ID of the unknown piece if `piece` is not one
  const std::string& piece(int64_t id) const { return model_.pieces[id].text; }
  int64_t size() const { return static_cast<int64_t>(model_.pieces.size()); }
  bool has(std::string_view piece) const { return reserved_.count(piece) || plain_.count(piece); }

 private:
  std::string normalized(std::string_view text) const;
  std::string_view first_symbol(std::string_view text, bool& frozen) const;
  std::vector<std::string_view> merged(std::string_view text) const;

  SentencePieceModel model_;
  // Only plain pieces are matched in texts.
  std::unordered_map<std::string_view, int64_t> plain_, reserved_;
  Trie user_defined_;
};

}  // namespace emend::text
