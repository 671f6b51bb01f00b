#include "text/wordpiece/word_piece_tokenizer.h"

#include <algorithm>
#include <set>

#include "text/pipeline/bpe/vocabulary.h"
#include "text/strings.h"
#include "text/utf8.h"
#include "text/wordpiece/bert_characters.h"

namespace emend::text {
namespace {

AddedTokens raw_of(const std::vector<AddedToken>& added) {
  std::vector<AddedToken> raw;
  std::copy_if(added.begin(), added.end(), std::back_inserter(raw),
               [](const AddedToken& token) { return !token.normalized; });
  return {std::move(raw), {}};
}

// The tokens in normalized form. If several are equal, the first one is used.
AddedTokens normalized_of(const std::vector<AddedToken>& added, const BertNormalizer& normalizer) {
  std::vector<AddedToken> normalized;
  std::set<std::string> seen = {""};
  for (AddedToken token : added) {
    if (!token.normalized) continue;
    token.content = normalizer(token.content);
    token.normalized = false;
    if (seen.insert(token.content).second) normalized.push_back(std::move(token));
  }
  return {std::move(normalized), {}};
}

// Removes white space, and makes every punctuation mark a word.
std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> found;
  size_t begun = 0;
  const auto end_at = [&](size_t end, size_t next) {
    if (begun < end) found.push_back(text.substr(begun, end - begun));
    begun = next;
  };
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const char32_t c = next_code_point(text, at);
    if (is_space(c)) {
      end_at(start, at);
    } else if (is_bert_punctuation(c)) {
      end_at(start, start);
      end_at(at, at);
    }
  }
  end_at(text.size(), text.size());
  return found;
}

// Like transformers, but also with the contraction that the decoder of Hugging Face tokenizers
// adds.
std::string cleaned_up(std::string piece) {
  return replace_all(clean_up_tokenization(std::move(piece)), " do not", " don't");
}

}  // namespace

WordPieceTokenizer::WordPieceTokenizer(WordPiece model, BertNormalizer normalizer,
                                       std::vector<AddedToken> added, Decoding decoding)
    : model_(std::move(model)),
      normalizer_(normalizer),
      added_(with_ids(std::move(added), model_), {}),
      raw_(raw_of(added_.all())),
      normalized_(normalized_of(added_.all(), normalizer_)),
      decoding_(std::move(decoding)) {
  size_ = model_.size();
  for (const AddedToken& token : added_.all())
    if (!model_.id(token.content)) ++size_;
}

void WordPieceTokenizer::set_post_processor(PostProcessor post) {
  check_ids(post, [&](int64_t id) { return added_.find(id) || model_.token(id); });
  post_ = std::move(post);
}

std::vector<int64_t> WordPieceTokenizer::encode(std::string_view text, bool special) const {
  check_utf8(text);
  std::vector<int64_t> ids;
  if (special) ids = post_.before;
  for (const auto& part : raw_.split(text)) {
    if (part.id >= 0) {
      ids.push_back(part.id);
      continue;
    }
    for (const auto& inner : normalized_.split(normalizer_(part.text))) {
      if (inner.id >= 0)
        ids.push_back(inner.id);
      else
        for (const auto word : split_words(inner.text)) model_.encode(word, ids);
    }
  }
  if (special) ids.insert(ids.end(), post_.after.begin(), post_.after.end());
  return ids;
}

std::string WordPieceTokenizer::decode(const std::vector<int64_t>& ids, bool skip_special) const {
  std::string text;
  bool first = true;
  for (int64_t id : ids) {
    const AddedToken* added = added_.find(id);
    if (added && added->special && skip_special) continue;
    auto piece = token(id);
    if (first)
      first = false;
    else if (piece.starts_with(decoding_.prefix))
      piece.erase(0, decoding_.prefix.size());
    else
      piece.insert(0, 1, ' ');
    text += decoding_.cleanup ? cleaned_up(std::move(piece)) : piece;
  }
  return text;
}

int64_t WordPieceTokenizer::size() const { return size_; }

std::optional<int64_t> WordPieceTokenizer::id(std::string_view token) const {
  if (const AddedToken* added = added_.find(token)) return added->id;
  return model_.id(std::string(token));
}

std::string WordPieceTokenizer::token(int64_t id) const {
  if (const AddedToken* added = added_.find(id))
    return added->normalized ? normalizer_(added->content) : added->content;
  if (const std::string* token = model_.token(id)) return *token;
  unknown_id(id, size_);
}

}  // namespace emend::text
