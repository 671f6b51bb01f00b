#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "text/pipeline/added_tokens.h"
#include "text/pipeline/post_processor.h"
#include "text/tokenizer.h"
#include "text/wordpiece/bert_normalizer.h"
#include "text/wordpiece/word_piece.h"

namespace emend::text {

// BERT's: added tokens, then normalising, words and punctuation, WordPiece; the reverse joins
// pieces.
class WordPieceTokenizer : public Tokenizer {
 public:
  struct Decoding {
    std::string prefix = "##";
    bool cleanup = true;  // no space before punctuation, and contractions together
  };
  // Added tokens without an id (-1) take the vocabulary's, or the next free one, in their order.
  WordPieceTokenizer(WordPiece model, BertNormalizer normalizer, std::vector<AddedToken> added,
                     Decoding decoding);

  // Its ids must be tokens.
  void set_post_processor(PostProcessor post);

  std::vector<int64_t> encode(std::string_view text, bool special) const override;
  std::string decode(const std::vector<int64_t>& ids, bool skip_special) const override;
  int64_t size() const override;
  std::optional<int64_t> id(std::string_view token) const override;
  std::string token(int64_t id) const override;

 private:
  WordPiece model_;
  BertNormalizer normalizer_;
  AddedTokens added_;
  AddedTokens raw_, normalized_;  // of them: looked for in a text as given, and as normalised
  Decoding decoding_;
  PostProcessor post_;
  int64_t size_ = 0;
};

// Whether the content of tokenizer.json is of this kind, and the tokenizer then.
bool is_word_piece(const nlohmann::json& root);
std::unique_ptr<Tokenizer> make_word_piece(const nlohmann::json& root);

}  // namespace emend::text
