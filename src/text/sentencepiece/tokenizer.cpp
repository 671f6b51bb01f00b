#include "text/sentencepiece/tokenizer.h"

#include <algorithm>
#include <utility>

#include "text/pipeline/bpe/vocabulary.h"
#include "text/strings.h"
#include "text/utf8.h"

namespace emend::text {
namespace {

SentencePieceModel prepared_model(SentencePieceModel model, bool legacy) {
  if (!legacy) model.add_dummy_prefix = false;
  return model;
}

// Splitting at added tokens ignores their flags, which are applied afterward.
std::vector<AddedToken> without_flags(std::vector<AddedToken> tokens) {
  for (AddedToken& token : tokens)
    token.normalized = token.single_word = token.lstrip = token.rstrip = false;
  return tokens;
}

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(SentencePieceModel model,
                                               std::vector<AddedToken> added, Options options)
    : options_(std::move(options)),
      model_(prepared_model(std::move(model), options_.legacy)),
      added_(added, Normalizer()),
      matcher_(without_flags(std::move(added)), Normalizer()),
      unknown_length_(model_.encode(options_.unknown).size()),
      size_(model_.size()) {
  for (const AddedToken& token : added_.all()) size_ += !model_.has(token.content);
}

bool SentencePieceTokenizer::special(std::string_view token) const {
  const AddedToken* added = added_.find(token);
  return added && added->special;
}

// Whether decoding adds spaces around the token.
bool SentencePieceTokenizer::is_separate(const AddedToken& token) const {
  const auto& additional = options_.additional;
  if (!token.special) return true;
  return token.id >= model_.size() &&
         std::find(additional.begin(), additional.end(), token.content) != additional.end();
}

// The added tokens and the parts between them, computed in the same steps as in transformers.
std::vector<std::string> SentencePieceTokenizer::cut(std::string_view text) const {
  std::vector<std::string> parts;
  for (auto& part : matcher_.split(text)) parts.push_back(std::move(part.text));
  for (size_t i = 0; i < parts.size(); ++i) {
    const AddedToken* token = added_.find(parts[i]);
    if (!token) continue;
    std::string* left = i > 0 ? &parts[i - 1] : nullptr;
    std::string* right = i + 1 < parts.size() ? &parts[i + 1] : nullptr;
    // Whether a token is a single word depends on its neighbors before their white space is
    // removed.
    const bool after_word = left && !left->empty() && left->back() != ' ';
    const bool before_word = right && !right->empty() && right->front() != ' ';
    if (token->rstrip && right) *right = std::string(python_lstrip(*right));
    if (token->lstrip && left) *left = std::string(python_rstrip(*left));
    if (token->single_word && after_word)
      *left += std::exchange(parts[i], "");
    else if (token->single_word && before_word)
      right->insert(0, std::exchange(parts[i], ""));
  }
  return parts;
}

std::vector<std::string> SentencePieceTokenizer::pieces(const std::string& part) const {
  if (options_.legacy || !(part.starts_with(kMetaspace) || part.starts_with(' ')))
    return model_.encode(part);
  // SentencePiece alone would drop the leading space, but not after another token.
  auto found = model_.encode(options_.unknown + part);
  if (found.size() >= unknown_length_) found.erase(found.begin(), found.begin() + unknown_length_);
  return found;
}

std::vector<std::string> SentencePieceTokenizer::tokens(std::string_view text) const {
  std::string input(text);
  const bool by_hand = !options_.legacy && !text.empty();
  if (by_hand) {
    input = replace_all(input, kMetaspace, " ");
    if (options_.add_prefix_space) input.insert(0, kMetaspace);
  }
  std::vector<std::string> tokens;
  for (auto& part : cut(input)) {
    if (part.empty()) continue;
    if (added_.find(part)) {
      tokens.push_back(std::move(part));
      continue;
    }
    for (auto& piece : pieces(part)) tokens.push_back(std::move(piece));
  }
  if (by_hand && tokens.size() > 1 && tokens[0] == kMetaspace && special(tokens[1]))
    tokens.erase(tokens.begin());
  return tokens;
}

std::vector<int64_t> SentencePieceTokenizer::encode(std::string_view text, bool special) const {
  check_utf8(text);
  std::vector<int64_t> ids;
  if (special) ids = post_.before;
  for (const auto& token : tokens(text)) {
    const AddedToken* added = added_.find(token);
    ids.push_back(added ? added->id : model_.id(token));
  }
  if (special) ids.insert(ids.end(), post_.after.begin(), post_.after.end());
  return ids;
}

// Special tokens are decoded as themselves; SentencePiece decodes the parts between them.
std::string SentencePieceTokenizer::text_of(std::vector<std::string> tokens) const {
  if (options_.add_prefix_space && tokens[0].starts_with(kMetaspace))
    tokens[0].erase(0, kMetaspace.size());
  std::string text;
  std::vector<std::string> plain;
  bool after_special = false;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (special(tokens[i])) {
      if (options_.legacy && !after_special && i > 0) text += ' ';
      text += model_.decode(plain) + tokens[i];
      plain.clear();
      after_special = true;
    } else {
      if (after_special && i == 1 && options_.add_prefix_space &&
          !tokens[i].starts_with(kMetaspace))
        text += ' ';
      plain.push_back(tokens[i]);
      after_special = false;
    }
  }
  return text += model_.decode(plain);
}

std::string SentencePieceTokenizer::decode(const std::vector<int64_t>& ids,
                                           bool skip_special) const {
  std::vector<std::string> texts, run;
  auto flush = [&](bool even_empty) {
    if (run.empty()) return;
    if (auto text = text_of(std::move(run)); even_empty || !text.empty())
      texts.push_back(std::move(text));
    run.clear();
  };
  for (int64_t id : ids) {
    std::string content = token(id);
    const AddedToken* added = added_.find(content);
    if (added && added->special && skip_special) continue;
    if (added && is_separate(*added)) {
      flush(false);
      texts.push_back(std::move(content));
    } else {
      run.push_back(std::move(content));
    }
  }
  flush(true);
  std::string text;
  for (size_t i = 0; i < texts.size(); ++i) text.append(i > 0 ? " " : "") += texts[i];
  return options_.clean_up_spaces ? clean_up_tokenization(std::move(text)) : text;
}

std::optional<int64_t> SentencePieceTokenizer::id(std::string_view token) const {
  if (const AddedToken* added = added_.find(token)) return added->id;
  if (!model_.has(token)) return std::nullopt;
  return model_.id(token);
}

std::string SentencePieceTokenizer::token(int64_t id) const {
  if (const AddedToken* added = added_.find(id)) return added->content;
  if (id >= 0 && id < model_.size()) return model_.piece(id);
  unknown_id(id, size_);
}

}  // namespace emend::text
