#include "text/pipeline/pipeline_tokenizer.h"

#include "text/pipeline/bpe/vocabulary.h"
#include "text/utf8.h"

namespace emend::text {

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
  check_ids(post, [&](int64_t id) { return added_.find(id) || bpe_->token(id); });
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
  unknown_id(id, size_);
}

}  // namespace emend::text
