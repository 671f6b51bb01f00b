#include "text/pipeline/pipeline_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/error.h"
#include "text/utf8.h"

namespace emend::text {
namespace {

constexpr const char* kPipelineTokenizerPlace = "text::tokenizer";

// The IDs of added tokens are those of the vocabulary, or follow it. Otherwise, tokens are missing
// in the file.
std::vector<AddedToken> with_ids(std::vector<AddedToken> added, const Bpe& bpe) {
  int64_t next = bpe.size();
  for (AddedToken& token : added) {
    const int64_t id = bpe.id(token.content).value_or(next);
    next = std::max(next, id + 1);
    if (token.id >= 0 && token.id != id)
      throw Error(kPipelineTokenizerPlace,
                  fmt::format("added token '{}' has the ID {}, but {} was expected", token.content,
                              token.id, id),
                  "the vocabulary and the added tokens must come from the same tokenizer");
    token.id = id;
  }
  return added;
}

}  // namespace

PipelineTokenizer::PipelineTokenizer(Parts parts)
    : bpe_(std::move(parts.bpe)),
      pre_tokenizer_(std::move(parts.pre_tokenizer)),
      decoder_(std::move(parts.decoder)),
      added_(with_ids(std::move(parts.added), *bpe_), std::move(parts.normalizer)) {
  size_ = bpe_->size();
  for (const AddedToken& token : added_.all())
    if (!bpe_->id(token.content)) ++size_;
}

void PipelineTokenizer::set_post_processor(PostProcessor post) {
  for (const auto* side : {&post.before, &post.after})
    for (int64_t id : *side)
      if (!added_.find(id) && !bpe_->token(id))
        throw Error(
            kPipelineTokenizerPlace,
            fmt::format("the post_processor adds the ID {}, which is not in the vocabulary", id),
            "the files must come from the same tokenizer; fetch them again");
  post_ = std::move(post);
}

std::vector<int64_t> PipelineTokenizer::encode(std::string_view text, bool special) const {
  check_utf8(text);
  std::vector<int64_t> ids;
  if (special) ids = post_.before;
  for (auto& part : added_.split(text)) {
    if (part.id >= 0) {
      ids.push_back(part.id);
      continue;
    }
    std::vector<Piece> pieces{{std::move(part.text), part.first}};
    if (pre_tokenizer_) pre_tokenizer_->apply(pieces);
    for (const Piece& piece : pieces) bpe_->encode(piece.text, ids);
  }
  if (special) ids.insert(ids.end(), post_.after.begin(), post_.after.end());
  return ids;
}

std::string PipelineTokenizer::decode(const std::vector<int64_t>& ids, bool skip_special) const {
  std::vector<std::string> tokens;
  for (int64_t id : ids) {
    const AddedToken* added = added_.find(id);
    if (added && added->special && skip_special) continue;
    tokens.push_back(token(id));
  }
  decoder_->apply(tokens);
  std::string text;
  for (const std::string& token : tokens) text += token;
  return text;
}

int64_t PipelineTokenizer::size() const { return size_; }

std::optional<int64_t> PipelineTokenizer::id(std::string_view token) const {
  if (const AddedToken* added = added_.find(token)) return added->id;
  return bpe_->id(std::string(token));
}

std::string PipelineTokenizer::token(int64_t id) const {
  if (const AddedToken* added = added_.find(id)) return added->content;
  if (const std::string* token = bpe_->token(id)) return *token;
  throw Error(
      kPipelineTokenizerPlace,
      fmt::format("the token ID {} does not exist; the vocabulary has {} tokens", id, size_),
      "the model's vocabulary may be larger than the tokenizer's; use a smaller ID");
}

}  // namespace emend::text
