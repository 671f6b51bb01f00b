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

// Byte pair encoding over characters. Thread-safe.
class Bpe {
 public:
  struct Options {
    std::optional<std::string> unknown;  // token for characters that are not in the vocabulary
    bool fuse_unknown = false;           // one unknown token for a run of such characters
    bool byte_fallback = false;  // such a character is encoded as <0xE6> ... if these tokens exist
    bool ignore_merges = false;  // a piece that is a token is not split
  };
  using Vocabulary = std::unordered_map<std::string, int64_t>;
  using Merges = std::vector<std::pair<std::string, std::string>>;  // in merge order

  // Throws emend::Error if a merge needs a token that the vocabulary lacks, if two tokens share an
  // ID, or if `unknown` is not in the vocabulary.
  Bpe(Vocabulary vocabulary, const Merges& merges, Options options);

  // Appends the IDs of a piece (valid UTF-8). O(n log n) for every piece.
  void encode(std::string_view piece, std::vector<int64_t>& ids) const;

  std::optional<int64_t> id(const std::string& token) const;
  const std::string* token(int64_t id) const;  // null if the ID does not exist
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
  std::array<int64_t, 256> byte_ids_;  // of <0x00> ... <0xFF>; -1: not in the vocabulary
  int64_t unknown_ = -1;
  bool fuse_unknown_, byte_fallback_, ignore_merges_;

  mutable std::shared_mutex cache_mutex_;
  mutable std::unordered_map<std::string, std::vector<int64_t>> cache_;
};

}  // namespace emend::text
