#include "text/pipeline/added_tokens.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <utility>

#include "io/error.h"
#include "text/utf8.h"

namespace emend::text {
namespace {

// Letters, marks, decimal digits, connectors, and the two joiners: \w in Rust's regex.
bool is_word(char32_t c) {
  if (c == 0x200c || c == 0x200d || (c >= 0x24b6 && c <= 0x24e9) ||
      (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) ||
      (c >= 0x1f170 && c <= 0x1f189))
    return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return false;
  }
}

bool word_before(std::string_view text, size_t end) {
  if (end == 0) return false;
  size_t at = previous_character(text, end);
  return is_word(next_code_point(text, at));
}

bool word_after(std::string_view text, size_t start) {
  return start < text.size() && is_word(next_code_point(text, start));
}

}  // namespace

std::vector<AddedToken> with_ids(
    std::vector<AddedToken> added, int64_t vocabulary_size,
    const std::function<std::optional<int64_t>(const std::string&)>& id_of) {
  int64_t next = vocabulary_size;
  for (AddedToken& token : added) {
    const int64_t id = id_of(token.content).value_or(next);
    next = std::max(next, id + 1);
    if (token.id >= 0 && token.id != id)
      throw Error("text::tokenizer",
                  fmt::format("added token '{}' has the ID {}, but {} was expected", token.content,
                              token.id, id),
                  "the vocabulary and the added tokens must come from the same tokenizer");
    token.id = id;
  }
  return added;
}

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, Normalizer normalizer)
    : tokens_(std::move(tokens)), normalizer_(std::move(normalizer)) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const AddedToken& token = tokens_[i];
    if (token.content.empty())
      throw Error("text::added_tokens", fmt::format("added token {} is empty", token.id),
                  "give it a non-empty text, or remove it");
    if (!by_content_.emplace(token.content, i).second || !by_id_.emplace(token.id, i).second)
      throw Error("text::added_tokens",
                  fmt::format("added token '{}' (ID {}) occurs twice", token.content, token.id),
                  "remove one of them");
    if (token.normalized)
      normalized_.add(normalizer_(token.content), static_cast<int>(i));
    else
      raw_.add(token.content, static_cast<int>(i));
  }
}

std::vector<AddedTokens::Part> AddedTokens::split(std::string_view text) const {
  std::vector<Part> parts;
  bool first = true;
  for (Part& part : split(raw_, text)) {
    if (part.id >= 0) {
      parts.push_back(std::move(part));
    } else {
      for (Part& inner : split(normalized_, normalizer_(part.text))) {
        inner.first = std::exchange(first, false);
        parts.push_back(std::move(inner));
      }
    }
    first = false;
  }
  return parts;
}

std::vector<AddedTokens::Part> AddedTokens::split(const Trie& trie, std::string_view text) const {
  std::vector<Part> parts;
  size_t done = 0;
  for (size_t from = 0; const auto hit = trie.find(text, from);) {
    from = hit->end;
    const AddedToken& token = tokens_[hit->value];
    size_t start = hit->start, end = hit->end;
    if (token.single_word && (word_before(text, start) || word_after(text, end))) continue;
    // White space that an earlier token has taken is not taken again.
    if (token.lstrip) start = std::max(start - trailing_space(text.substr(0, start)), done);
    if (token.rstrip) end += leading_space(text.substr(end));
    if (done < start) parts.push_back({std::string(text.substr(done, start - done))});
    parts.push_back({std::string(text.substr(start, end - start)), token.id});
    done = end;
  }
  if (done < text.size()) parts.push_back({std::string(text.substr(done))});
  return parts;
}

const AddedToken* AddedTokens::find(std::string_view content) const {
  const auto found = by_content_.find(std::string(content));
  return found == by_content_.end() ? nullptr : &tokens_[found->second];
}

const AddedToken* AddedTokens::find(int64_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &tokens_[found->second];
}

}  // namespace emend::text
