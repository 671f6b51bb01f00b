#include "text/pipeline/bpe/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <queue>
#include <tuple>

#include "io/error.h"
#include "text/pipeline/bpe/byte_fallback.h"
#include "text/pipeline/bpe/vocabulary.h"
#include "text/utf8.h"

namespace emend::text {
namespace {

constexpr const char* kBpePlace = "text::bpe";
// Words repeat, long pieces do not. When the cache is full, nothing more is added.
constexpr size_t kCachedPieces = 16384, kCachedBytes = 64;

uint64_t key(int64_t left, int64_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint64_t>(right);
}

}  // namespace

Bpe::Bpe(Vocabulary vocabulary, const Merges& merges, Options options)
    : vocabulary_(std::move(vocabulary)),
      tokens_(tokens_by_id(vocabulary_, kBpePlace)),
      fuse_unknown_(options.fuse_unknown),
      byte_fallback_(options.byte_fallback),
      ignore_merges_(options.ignore_merges) {
  if (vocabulary_.empty())
    throw Error(kBpePlace, "the vocabulary is empty",
                "the tokenizer's files are incomplete; fetch them again");
  for (const auto& [token, id] : vocabulary_) {
    if (id < 0 || id > INT32_MAX)
      throw Error(kBpePlace, fmt::format("token '{}' has the ID {}", token, id),
                  "IDs must not be negative; correct the vocabulary");
    size_t end = 0;
    if (token.empty() || character_size(token, 0) != token.size()) continue;
    characters_.emplace(next_code_point(token, end), id);
  }
  auto need = [&](const std::string& token, size_t merge) {
    const auto found = vocabulary_.find(token);
    if (found == vocabulary_.end())
      throw Error(kBpePlace,
                  fmt::format("merge {} needs the token '{}', which the vocabulary lacks",
                              merge + 1, token),
                  "vocabulary and merges must come from the same tokenizer");
    return found->second;
  };
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto& [left, right] = merges[i];
    const int64_t a = need(left, i), b = need(right, i), both = need(left + right, i);
    merges_.insert_or_assign(key(a, b), Merge{static_cast<int64_t>(i), both});
  }
  for (int byte = 0; byte < 256; ++byte)
    byte_ids_[byte] = id(byte_token(static_cast<uint8_t>(byte))).value_or(-1);
  if (options.unknown) {
    const auto unknown = id(*options.unknown);
    if (!unknown)
      throw Error(kBpePlace,
                  fmt::format("the unknown token '{}' is not in the vocabulary", *options.unknown),
                  "add it to the vocabulary, or choose another unknown token");
    unknown_ = *unknown;
  }
}

std::optional<int64_t> Bpe::id(const std::string& token) const {
  const auto found = vocabulary_.find(token);
  if (found == vocabulary_.end()) return std::nullopt;
  return found->second;
}

const std::string* Bpe::token(int64_t id) const {
  const auto found = tokens_.find(id);
  return found == tokens_.end() ? nullptr : &found->second;
}

void Bpe::encode(std::string_view piece, std::vector<int64_t>& ids) const {
  if (piece.size() > kCachedBytes) {
    const auto fresh = merged(piece);
    ids.insert(ids.end(), fresh.begin(), fresh.end());
    return;
  }
  const std::string word(piece);
  {
    std::shared_lock lock(cache_mutex_);
    if (const auto known = cache_.find(word); known != cache_.end()) {
      ids.insert(ids.end(), known->second.begin(), known->second.end());
      return;
    }
  }
  auto fresh = merged(piece);
  ids.insert(ids.end(), fresh.begin(), fresh.end());
  std::unique_lock lock(cache_mutex_);
  if (cache_.size() < kCachedPieces) cache_.emplace(word, std::move(fresh));
}

std::vector<int64_t> Bpe::symbols(std::string_view piece) const {
  std::vector<int64_t> ids;
  bool pending = false;  // an unknown token that may be extended
  auto settle = [&] {
    if (pending) ids.push_back(unknown_);
    pending = false;
  };
  for (size_t at = 0; at < piece.size();) {
    const size_t start = at;
    const auto known = characters_.find(next_code_point(piece, at));
    if (known != characters_.end()) {
      settle();
      ids.push_back(known->second);
      continue;
    }
    const auto bytes = piece.substr(start, at - start);
    const auto spelled = [&](char c) { return byte_ids_[static_cast<unsigned char>(c)] >= 0; };
    if (byte_fallback_ && std::all_of(bytes.begin(), bytes.end(), spelled)) {
      // As in Hugging Face tokenizers, an unknown token that precedes these bytes is added after
      // them.
      for (char c : bytes) ids.push_back(byte_ids_[static_cast<unsigned char>(c)]);
    } else if (unknown_ >= 0) {  // without an unknown token, the character is dropped
      if (!fuse_unknown_) settle();
      pending = true;
    }
  }
  settle();
  return ids;
}

// Merges the lowest rank first, then the leftmost, with a heap of candidates over a linked list of
// symbols.
std::vector<int64_t> Bpe::merged(std::string_view piece) const {
  if (ignore_merges_)
    if (const auto whole = id(std::string(piece))) return {*whole};
  struct Symbol {
    int64_t id;
    int64_t previous, next;  // -1: none
    bool alive;
  };
  std::vector<Symbol> list;
  for (int64_t id : symbols(piece)) {
    const auto at = static_cast<int64_t>(list.size());
    if (at > 0) list.back().next = at;
    list.push_back({id, at - 1, -1, true});
  }

  using Candidate =
      std::tuple<int64_t, int64_t, int64_t>;  // rank, position of the left symbol, new ID
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> heap;
  auto merge_of = [&](int64_t left, int64_t right) {
    const auto found = merges_.find(key(list[left].id, list[right].id));
    return found == merges_.end() ? nullptr : &found->second;
  };
  auto offer = [&](int64_t left, int64_t right) {
    if (left < 0 || right < 0) return;
    if (const Merge* merge = merge_of(left, right)) heap.emplace(merge->rank, left, merge->id);
  };
  for (size_t i = 0; i + 1 < list.size(); ++i)
    offer(static_cast<int64_t>(i), static_cast<int64_t>(i) + 1);

  while (!heap.empty()) {
    const auto [rank, left, id] = heap.top();
    heap.pop();
    if (!list[left].alive || list[left].next < 0) continue;
    const int64_t right = list[left].next;
    const Merge* merge = merge_of(left, right);
    if (!merge || merge->id != id) continue;  // one of its symbols has been merged with another one
    list[left].id = id;
    list[left].next = list[right].next;
    list[right].alive = false;
    if (list[right].next >= 0) list[list[right].next].previous = left;
    offer(list[left].previous, left);
    offer(left, list[left].next);
  }
  std::vector<int64_t> ids;
  for (int64_t at = list.empty() ? -1 : 0; at >= 0; at = list[at].next) ids.push_back(list[at].id);
  return ids;
}

}  // namespace emend::text
