#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/pipeline/trie.h"
#include "text/sentencepiece/model.h"

namespace emend::text {

// SentencePiece's BPE (Kudo and Richardson 2018): of all pairs of neighbours that make a piece, the
// one with the highest score is merged first. Our own, because Debian's libsentencepiece exports a
// Protocol Buffers of another version than LibTorch's and cannot be loaded beside it.
class SentencePiece {
 public:
  explicit SentencePiece(SentencePieceModel model);
  SentencePiece(const SentencePiece&) = delete;

  // `text` is well-formed UTF-8. A run of unknown characters is one piece, or <0xE6> for each byte
  // with byte fallback. O(n log n) whatever the text.
  std::vector<std::string> encode(std::string_view text) const;
  // Pieces that are none stand for themselves.
  std::string decode(const std::vector<std::string>& pieces) const;

  int64_t id(std::string_view piece) const;  // the unknown piece's for one that is none
  const std::string& piece(int64_t id) const { return model_.pieces[id].text; }
  int64_t size() const { return static_cast<int64_t>(model_.pieces.size()); }
  bool has(std::string_view piece) const { return reserved_.count(piece) || plain_.count(piece); }

 private:
  std::string normalized(std::string_view text) const;
  std::string_view first_symbol(std::string_view text, bool& frozen) const;
  std::vector<std::string_view> merged(std::string_view text) const;

  SentencePieceModel model_;
  // Only plain pieces are found in texts.
  std::unordered_map<std::string_view, int64_t> plain_, reserved_;
  Trie user_defined_;
};

}  // namespace emend::text
