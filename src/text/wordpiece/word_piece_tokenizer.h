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

// BERT's tokenizer: added tokens, normalizer, words and punctuation, WordPiece. Decoding joins the
// pieces.
class WordPieceTokenizer : public Tokenizer {
 public:
  struct Decoding {
    std::string prefix = "##";
    bool cleanup = true;  // remove spaces before punctuation and in contractions
  };
  // Added tokens without an ID (-1) get the vocabulary's ID, or the next free one, in order.
  WordPieceTokenizer(WordPiece model, BertNormalizer normalizer, std::vector<AddedToken> added,
                     Decoding decoding);

  // All IDs must be in the vocabulary.
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
  AddedTokens raw_,
      normalized_;  // subsets: matched in the original text, and in the normalized text
  Decoding decoding_;
  PostProcessor post_;
  int64_t size_ = 0;
};

// Whether the content of a tokenizer.json is a WordPiece tokenizer, and how to make it.
bool is_word_piece(const nlohmann::json& root);
std::unique_ptr<Tokenizer> make_word_piece(const nlohmann::json& root);

}  // namespace emend::text
