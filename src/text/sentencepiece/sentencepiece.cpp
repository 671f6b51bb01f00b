#include "text/sentencepiece/sentencepiece.h"

#include <queue>

#include "text/pipeline/bpe/byte_fallback.h"
#include "text/strings.h"
#include "text/utf8.h"

namespace emend::text {
namespace {

bool consume(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// Replaces every invalid byte by U+FFFD (lossy_utf8 makes fewer of them).
std::string bytewise_utf8(std::string_view bytes) {
  std::string text;
  while (const auto bad = invalid_utf8(bytes)) {
    text.append(bytes.substr(0, *bad)) += "\xef\xbf\xbd";
    bytes.remove_prefix(*bad + 1);
  }
  return text.append(bytes);
}

}  // namespace

SentencePiece::SentencePiece(SentencePieceModel model) : model_(std::move(model)) {
  for (int64_t id = 0; id < size(); ++id) {
    const auto& piece = model_.pieces[id];
    const bool user_defined = piece.type == SentencePieceModel::Type::user_defined;
    const bool plain = user_defined || piece.type == SentencePieceModel::Type::normal;
    (plain ? plain_ : reserved_).emplace(piece.text, id);
    if (user_defined) user_defined_.add(piece.text, static_cast<int>(id));
  }
}

int64_t SentencePiece::id(std::string_view piece) const {
  if (const auto found = reserved_.find(piece); found != reserved_.end()) return found->second;
  if (const auto found = plain_.find(piece); found != plain_.end()) return found->second;
  return model_.unknown;
}

// A user-defined piece, which is never merged, or a character.
std::string_view SentencePiece::first_symbol(std::string_view text, bool& frozen) const {
  const auto hit = user_defined_.longest_at(text, 0);
  frozen = hit.has_value();
  return text.substr(0, hit ? hit->end : character_size(text, 0));
}

std::string SentencePiece::normalized(std::string_view text) const {
  bool frozen = false;
  if (model_.remove_extra_whitespaces)
    while (!text.empty() && first_symbol(text, frozen) == " ") text.remove_prefix(1);
  if (text.empty()) return {};
  std::string out;
  if (model_.add_dummy_prefix) out += kMetaspace;
  bool after_space = model_.remove_extra_whitespaces;
  while (!text.empty()) {
    auto symbol = first_symbol(text, frozen);
    text.remove_prefix(symbol.size());
    while (after_space && consume(symbol, " ")) {
    }
    if (symbol.empty()) continue;
    out += replace_all(symbol, " ", kMetaspace);
    after_space = model_.remove_extra_whitespaces && symbol.back() == ' ';
  }
  if (model_.remove_extra_whitespaces)
    while (out.ends_with(kMetaspace)) out.resize(out.size() - kMetaspace.size());
  return out;
}

std::vector<std::string_view> SentencePiece::merged(std::string_view text) const {
  struct Symbol {
    std::string_view text;  // empty: merged into the previous symbol
    bool frozen;
    int64_t previous, next;  // -1: none
  };
  std::vector<Symbol> list;
  while (!text.empty()) {
    Symbol symbol{{}, false, static_cast<int64_t>(list.size()) - 1, -1};
    symbol.text = first_symbol(text, symbol.frozen);
    text.remove_prefix(symbol.text.size());
    if (!list.empty()) list.back().next = static_cast<int64_t>(list.size());
    list.push_back(symbol);
  }

  struct Candidate {
    float score;
    int64_t left, right;
    size_t size;
    bool operator<(const Candidate& other) const {
      return score != other.score ? score < other.score : left > other.left;
    }
  };
  std::priority_queue<Candidate> heap;
  auto offer = [&](int64_t left, int64_t right) {
    if (left < 0 || right < 0 || list[left].frozen || list[right].frozen) return;
    const size_t size = list[left].text.size() + list[right].text.size();
    const auto found = plain_.find({list[left].text.data(), size});
    if (found == plain_.end()) return;
    heap.push({model_.pieces[found->second].score, left, right, size});
  };
  for (size_t i = 1; i < list.size(); ++i)
    offer(static_cast<int64_t>(i) - 1, static_cast<int64_t>(i));
  while (!heap.empty()) {
    const Candidate best = heap.top();
    heap.pop();
    Symbol &left = list[best.left], &right = list[best.right];
    // Its symbols may have been merged with others.
    if (left.text.empty() || right.text.empty() ||
        left.text.size() + right.text.size() != best.size)
      continue;
    left.text = {left.text.data(), best.size};
    right.text = {};
    left.next = right.next;
    if (left.next >= 0) list[left.next].previous = best.left;
    offer(left.previous, best.left);
    offer(best.left, left.next);
  }
  std::vector<std::string_view> symbols;
  for (int64_t at = list.empty() ? -1 : 0; at >= 0; at = list[at].next)
    symbols.push_back(list[at].text);
  return symbols;
}

std::vector<std::string> SentencePiece::encode(std::string_view text) const {
  const std::string input = normalized(text);
  std::vector<std::string> pieces;
  bool after_unknown = false;
  for (const auto symbol : merged(input)) {
    const bool unknown = id(symbol) == model_.unknown;
    if (unknown && model_.byte_fallback)
      for (char byte : symbol) pieces.push_back(byte_token(static_cast<uint8_t>(byte)));
    else if (unknown && after_unknown)
      pieces.back() += symbol;
    else
      pieces.emplace_back(symbol);
    after_unknown = unknown;
  }
  return pieces;
}

std::string SentencePiece::decode(const std::vector<std::string>& pieces) const {
  using Type = SentencePieceModel::Type;
  std::string text, bytes;
  bool at_start = true, took_space = false;
  auto flush = [&] {
    text += bytewise_utf8(bytes);
    bytes.clear();
  };
  for (const std::string& piece : pieces) {
    const auto& known = model_.pieces[id(piece)];
    if (known.type == Type::byte) {
      bytes += static_cast<char>(*token_byte(piece));
      continue;
    }
    flush();
    // Only the first space is the dummy prefix.
    if (took_space || !text.empty()) at_start = false;
    took_space = false;
    if (known.type == Type::control) continue;
    if (known.type == Type::unknown) {
      text += known.text == piece ? model_.unknown_surface : piece;
      continue;
    }
    std::string_view rest = piece;
    if (at_start && (model_.add_dummy_prefix || model_.remove_extra_whitespaces))
      took_space = consume(rest, kMetaspace) && !model_.remove_extra_whitespaces;
    text += replace_all(rest, kMetaspace, " ");
  }
  flush();
  return text;
}

}  // namespace emend::text
