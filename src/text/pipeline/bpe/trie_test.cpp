#include "text/pipeline/bpe/trie.h"

#include <gtest/gtest.h>

#include <string>

namespace emend::text {
namespace {

Trie trie_of(const std::vector<std::string>& words) {
  Trie trie;
  for (size_t i = 0; i < words.size(); ++i) trie.add(words[i], static_cast<int>(i));
  return trie;
}

// "start-end:value", or "none".
std::string shown(const std::optional<Trie::Hit>& hit) {
  if (!hit) return "none";
  return std::to_string(hit->start) + "-" + std::to_string(hit->end) + ":" +
         std::to_string(hit->value);
}

TEST(Trie, FindsTheLongestWordAtAPlace) {
  const auto trie = trie_of({"a", "abc", "ab"});
  EXPECT_EQ(shown(trie.longest_at("abcd", 0)), "0-3:1");
  EXPECT_EQ(shown(trie.longest_at("abd", 0)), "0-2:2");
  EXPECT_EQ(shown(trie.longest_at("xab", 1)), "1-3:2");
  EXPECT_EQ(shown(trie.longest_at("xab", 0)), "none");
  EXPECT_EQ(shown(trie.longest_at("a", 1)), "none");
  // "abcd" is not a word, so the search falls back from "abc" to the last complete word.
  EXPECT_EQ(shown(trie_of({"a", "abcd"}).longest_at("abcx", 0)), "0-1:0");
}

TEST(Trie, FindsTheLeftmostWord) {
  const auto trie = trie_of({"bcd", "ab"});
  EXPECT_EQ(shown(trie.find("xabcd", 0)), "1-3:1");  // "ab", not the longer "bcd"
  EXPECT_EQ(shown(trie.find("xabcd", 2)), "2-5:0");
  EXPECT_EQ(shown(trie.find("xabcd", 3)), "none");
  EXPECT_EQ(shown(trie.find("", 0)), "none");
}

TEST(Trie, KeepsTheFirstValueOfAWord) {
  EXPECT_EQ(shown(trie_of({"ab", "ab"}).find("ab", 0)), "0-2:0");
}

TEST(Trie, MatchesBytes) {
  EXPECT_EQ(shown(trie_of({"é"}).find("aé", 0)), "1-3:0");
  EXPECT_EQ(shown(trie_of({"\xff"}).find("\x7f\xff", 0)), "1-2:0");
}

TEST(Trie, FindsNothingWithoutWords) { EXPECT_EQ(shown(Trie().find("abc", 0)), "none"); }

}  // namespace
}  // namespace emend::text
