#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace emend::text {

// Byte pair encoding over characters. Safe to use from several threads.
class Bpe {
 public:
  struct Options {
    std::optional<std::string> unknown;  // stands for a character that is no token
    bool fuse_unknown = false;           // one unknown token for a run of such characters
    bool byte_fallback = false;          // such a character is spelt as <0xE6> first, if it can be
    bool ignore_merges = false;          // a piece that is a token as it stands is not merged
  };
  using Vocabulary = std::unordered_map<std::string, int64_t>;
  using Merges = std::vector<std::pair<std::string, std::string>>;  // first merged first

  // Throws emend::Error when a merge needs a token that the vocabulary lacks, when two tokens share
  // an id, or when `unknown` is no token.
  Bpe(Vocabulary vocabulary, const Merges& merges, Options options);

  // Appends the ids of a piece (well-formed UTF-8). O(n log n) whatever the piece.
  void encode(std::string_view piece, std::vector<int64_t>& ids) const;

  std::optional<int64_t> id(const std::string& token) const;
  const std::string* token(int64_t id) const;  // null: no such id
  int64_t size() const { return static_cast<int64_t>(vocabulary_.size()); }

 private:
  struct Merge {
    int64_t rank, id;
  };
  std::vector<int64_t> symbols(std::string_view piece) const;
  std::vector<int64_t> merged(std::string_view piece) const;

  Vocabulary vocabulary_;
  std::unordered_map<int64_t, std::string> tokens_;
  std::unordered_map<uint64_t, Merge> merges_;  // key: left id << 32 | right id
  std::unordered_map<char32_t, int64_t> characters_;
  std::array<int64_t, 256> byte_ids_;  // of <0x00> ... <0xFF>; -1: no such token
  int64_t unknown_ = -1;
  bool fuse_unknown_, byte_fallback_, ignore_merges_;

  mutable std::shared_mutex cache_mutex_;
  mutable std::unordered_map<std::string, std::vector<int64_t>> cache_;
};

}  // namespace emend::text
