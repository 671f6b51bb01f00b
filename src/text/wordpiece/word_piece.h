#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace emend::text {

// WordPiece: a word as the longest token that it begins with, then the longest that goes on, and so
// to its end; the unknown token where there is none.
class WordPiece {
 public:
  struct Options {
    std::string unknown = "[UNK]";
    std::string prefix = "##";  // of tokens that go on
    int64_t most = 100;         // characters; longer words are unknown
  };
  using Vocabulary = std::unordered_map<std::string, int64_t>;

  // Throws emend::Error when two tokens share an id, or when the unknown one is no token.
  WordPiece(Vocabulary vocabulary, Options options);

  // Appends the ids of a word (well-formed UTF-8).
  void encode(std::string_view word, std::vector<int64_t>& ids) const;

  std::optional<int64_t> id(const std::string& token) const;
  const std::string* token(int64_t id) const;  // null: no such id
  int64_t size() const { return static_cast<int64_t>(vocabulary_.size()); }

 private:
  Vocabulary vocabulary_;
  std::unordered_map<int64_t, std::string> tokens_;
  Options options_;
  int64_t unknown_ = 0;
};

}  // namespace emend::text
