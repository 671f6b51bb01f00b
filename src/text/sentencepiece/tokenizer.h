#pragma once

#include <string>
#include <vector>

#include "text/pipeline/added_tokens.h"
#include "text/pipeline/post_processor.h"
#include "text/sentencepiece/sentencepiece.h"
#include "text/tokenizer.h"

namespace emend::text {

// Llama's tokenizer.model as used by the LlamaTokenizer of transformers 4 (the one in Python): a
// text is split at its added tokens, and SentencePiece encodes the parts between them.
class SentencePieceTokenizer : public Tokenizer {
 public:
  struct Options {
    // Legacy: SentencePiece adds its space before every part, also after special tokens. Otherwise,
    // one space is added before the whole text.
    bool legacy = true;
    bool add_prefix_space = true;
    bool clean_up_spaces = false;  // in decoded text, before punctuation and English contractions
    std::string unknown = "<unk>";
    std::vector<std::string> additional;  // special tokens without a role
  };
  // `added`: each with its ID; decoding can skip the `special` ones.
  SentencePieceTokenizer(SentencePieceModel model, std::vector<AddedToken> added, Options options);
  void set_post_processor(PostProcessor post) { post_ = std::move(post); }

  std::vector<int64_t> encode(std::string_view text, bool special) const override;
  std::string decode(const std::vector<int64_t>& ids, bool skip_special) const override;
  int64_t size() const override { return size_; }
  std::optional<int64_t> id(std::string_view token) const override;
  std::string token(int64_t id) const override;

 private:
  bool special(std::string_view token) const;
  bool is_separate(const AddedToken& token) const;
  std::vector<std::string> cut(std::string_view text) const;
  std::vector<std::string> pieces(const std::string& part) const;
  std::vector<std::string> tokens(std::string_view text) const;
  std::string text_of(std::vector<std::string> tokens) const;

  Options options_;
  SentencePiece model_;
  AddedTokens added_;    // with their flags
  AddedTokens matcher_;  // without their flags: splits a text
  PostProcessor post_;
  size_t unknown_length_;
  int64_t size_;
};

}  // namespace emend::text
