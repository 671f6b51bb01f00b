#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/pipeline/added_tokens.h"
#include "text/pipeline/bpe/bpe.h"
#include "text/pipeline/decoder.h"
#include "text/pipeline/normalization/normalizer.h"
#include "text/pipeline/post_processor.h"
#include "text/pipeline/pre_tokenizer.h"
#include "text/tokenizer.h"

namespace emend::text {

// The tokenizer of a tokenizer.json: added tokens, normalizer, pre-tokenizer, BPE, post-processor;
// a decoder converts tokens to text.
class PipelineTokenizer : public Tokenizer {
 public:
  struct Parts {
    std::unique_ptr<Bpe> bpe;
    std::unique_ptr<PreTokenizer> pre_tokenizer;  // null: a text is one piece
    std::unique_ptr<Decoder> decoder;
    std::vector<AddedToken> added;  // without an ID (-1): the vocabulary's ID, or the next free one
    Normalizer normalizer;
  };
  explicit PipelineTokenizer(Parts parts);

  // All IDs must be in the vocabulary.
  void set_post_processor(PostProcessor post);

  std::vector<int64_t> encode(std::string_view text, bool special) const override;
  std::string decode(const std::vector<int64_t>& ids, bool skip_special) const override;
  int64_t size() const override;
  std::optional<int64_t> id(std::string_view token) const override;
  std::string token(int64_t id) const override;

 private:
  std::unique_ptr<Bpe> bpe_;
  std::unique_ptr<PreTokenizer> pre_tokenizer_;
  std::unique_ptr<Decoder> decoder_;
  AddedTokens added_;
  PostProcessor post_;
  int64_t size_ = 0;
};

}  // namespace emend::text
