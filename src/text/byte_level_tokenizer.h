#pragma once

#include <memory>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/normalizer.h"
#include "text/post_processor.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"

namespace emend::text {

// Byte-level BPE: added tokens, then normalising, cutting, merging; the reverse is bytes again.
class ByteLevelTokenizer : public Tokenizer {
 public:
  // Added tokens without an id (-1) take the vocabulary's, or the next free one, in their order.
  ByteLevelTokenizer(std::unique_ptr<Bpe> bpe, std::unique_ptr<PreTokenizer> pre_tokenizer,
                     std::vector<AddedToken> added, Normalizer normalizer);

  // Its ids must be tokens.
  void set_post_processor(PostProcessor post);

  std::vector<int64_t> encode(std::string_view text, bool special) const override;
  std::string decode(const std::vector<int64_t>& ids, bool skip_special) const override;
  int64_t size() const override;
  std::optional<int64_t> id(std::string_view token) const override;
  std::string token(int64_t id) const override;

 private:
  std::unique_ptr<Bpe> bpe_;
  std::unique_ptr<PreTokenizer> pre_tokenizer_;
  AddedTokens added_;
  PostProcessor post_;
  int64_t size_ = 0;
};

// The two kinds of folder that Tokenizer::load reads.
std::unique_ptr<Tokenizer> load_tokenizer_json(const std::string& file);
std::unique_ptr<Tokenizer> load_vocab_merges(const std::string& folder);

}  // namespace emend::text
