#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

namespace emend::text {

// A set of words that are searched for in a text, byte by byte.
class Trie {
 public:
  // If a word is added twice, the first value is kept.
  void add(std::string_view word, int value);

  struct Hit {
    size_t start, end;
    int value;
  };
  std::optional<Hit> longest_at(std::string_view text, size_t start) const;
  // The leftmost match at `from` or later; of those, the longest.
  std::optional<Hit> find(std::string_view text, size_t from) const;

 private:
  struct Node {
    std::map<unsigned char, int> next;
    int value = -1;  // -1: no word ends here
  };
  std::vector<Node> nodes_{1};
};

}  // namespace emend::text
