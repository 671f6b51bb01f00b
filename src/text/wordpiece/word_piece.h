#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace emend::text {

// WordPiece: a word is encoded as the longest token that it begins with, then the longest
// continuation, and so on to its end. If there is none, the word becomes the unknown token.
class WordPiece {
 public:
  struct Options {
    std::string unknown = "[UNK]";
    std::string prefix = "##";  // of continuation tokens
    int64_t most = 100;  // maximum number of characters; longer words become the unknown token
  };
  using Vocabulary = std::unordered_map<std::string, int64_t>;

  // Throws emend::Error if two tokens share an ID, or if the unknown token is not in the
  // vocabulary.
  WordPiece(Vocabulary vocabulary, Options options);

  // Appends the IDs of a word (valid UTF-8).
  void encode(std::string_view word, std::vector<int64_t>& ids) const;

  std::optional<int64_t> id(const std::string& token) const;
  const std::string* token(int64_t id) const;  // null if the ID does not exist
  int64_t size() const { return static_cast<int64_t>(vocabulary_.size()); }

 private:
  Vocabulary vocabulary_;
  std::unordered_map<int64_t, std::string> tokens_;
  Options options_;
  int64_t unknown_ = 0;
};

}  // namespace emend::text
