#include "text/pipeline/bpe/trie.h"

namespace emend::text {

void Trie::add(std::string_view word, int value) {
  int at = 0;
  for (char c : word) {
    const auto [edge, fresh] =
        nodes_[at].next.emplace(static_cast<unsigned char>(c), static_cast<int>(nodes_.size()));
    const int to = edge->second;
    if (fresh) nodes_.emplace_back();
    at = to;
  }
  if (nodes_[at].value < 0) nodes_[at].value = value;
}

std::optional<Trie::Hit> Trie::longest_at(std::string_view text, size_t start) const {
  std::optional<Hit> longest;
  int at = 0;
  for (size_t end = start; end < text.size();) {
    const auto edge = nodes_[at].next.find(static_cast<unsigned char>(text[end]));
    if (edge == nodes_[at].next.end()) break;
    at = edge->second;
    ++end;
    if (nodes_[at].value >= 0) longest = Hit{start, end, nodes_[at].value};
  }
  return longest;
}

std::optional<Trie::Hit> Trie::find(std::string_view text, size_t from) const {
  if (nodes_.size() == 1) return std::nullopt;
  for (size_t start = from; start < text.size(); ++start)
    if (const auto hit = longest_at(text, start)) return hit;
  return std::nullopt;
}

}  // namespace emend::text
