#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/pipeline/bpe/trie.h"
#include "text/pipeline/normalization/normalizer.h"

namespace emend::text {

// An element of "added_tokens" of tokenizer.json: a text that becomes one token.
struct AddedToken {
  std::string content;
  int64_t id = -1;
  bool special = false;
  bool normalized = false;   // matched in the normalized text instead of the original text
  bool single_word = false;  // not matched inside a word
  bool lstrip = false, rstrip = false;  // also takes the white space on that side
};

// Gives the added tokens without an ID (-1) the vocabulary's ID, or the next free one, in order.
// Throws emend::Error if a token has another ID: then tokens are missing in the file. `id_of`: the
// vocabulary's ID of a token.
std::vector<AddedToken> with_ids(
    std::vector<AddedToken> added, int64_t vocabulary_size,
    const std::function<std::optional<int64_t>(const std::string&)>& id_of);
// The same for the vocabulary of a Bpe or WordPiece.
template <class Model>
std::vector<AddedToken> with_ids(std::vector<AddedToken> added, const Model& model) {
  return with_ids(std::move(added), model.size(),
                  [&](const std::string& token) { return model.id(token); });
}

// Tokens that are matched in a text before BPE runs: the leftmost match, and of those the longest.
class AddedTokens {
 public:
  AddedTokens() = default;
  AddedTokens(std::vector<AddedToken> tokens, Normalizer normalizer);

  struct Part {
    std::string text;    // normalized
    int64_t id = -1;     // -1: not an added token
    bool first = false;  // at the start of the text
  };
  std::vector<Part> split(std::string_view text) const;

  const AddedToken* find(std::string_view content) const;
  const AddedToken* find(int64_t id) const;
  const std::vector<AddedToken>& all() const { return tokens_; }

 private:
  std::vector<Part> split(const Trie& trie, std::string_view text) const;

  std::vector<AddedToken> tokens_;
  Normalizer normalizer_;
  Trie raw_, normalized_;  // indices of tokens_
  std::unordered_map<std::string, size_t> by_content_;
  std::unordered_map<int64_t, size_t> by_id_;
};

}  // namespace emend::text
