#include <algorithm>
#include <map>
#include <set>

#include "evaluation/protocol/metrics.h"

namespace emend {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

const std::map<std::string, std::string>& number_words() {
  static const std::map<std::string, std::string> words = {
      {"none", "0"}, {"zero", "0"}, {"one", "1"},   {"two", "2"},   {"three", "3"}, {"four", "4"},
      {"five", "5"}, {"six", "6"},  {"seven", "7"}, {"eight", "8"}, {"nine", "9"},  {"ten", "10"}};
  return words;
}

// Contractions that are not other words without their apostrophe.
const std::map<std::string, std::string>& contractions() {
  static const std::map<std::string, std::string> all = [] {
    std::map<std::string, std::string> all;
    for (const char* whole :
         {"ain't",    "aren't",    "can't",     "couldn't", "didn't",     "doesn't",  "don't",
          "hadn't",   "hasn't",    "haven't",   "isn't",    "mightn't",   "mustn't",  "needn't",
          "shan't",   "shouldn't", "wasn't",    "weren't",  "won't",      "wouldn't", "could've",
          "might've", "must've",   "should've", "would've", "i've",       "they've",  "we've",
          "who've",   "you've",    "it'll",     "that'll",  "they'll",    "what'll",  "you'll",
          "they're",  "you're",    "they'd",    "who'd",    "you'd",      "he's",     "she's",
          "here's",   "how's",     "that's",    "there's",  "what's",     "where's",  "who's",
          "i'm",      "y'all",     "o'clock",   "ma'am",    "somebody's", "someone's"}) {
      std::string bare = whole;
      bare.erase(std::remove(bare.begin(), bare.end(), '\''), bare.end());
      all[bare] = whole;
    }
    return all;
  }();
  return all;
}

// Lower-cases, replaces ’ by ', and removes punctuation or replaces it by a space.
std::string without_punctuation(const std::string& answer) {
  const auto text = normalized(answer);
  // Signs with a meaning ($ % & # *) are kept.
  static const std::string spaced = ";/[]\"{}()=+\\_-><@`,?!";
  std::string clean;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 3, "\u2019") == 0) {
      clean += '\'';
      i += 2;
      continue;
    }
    const bool before = i > 0 && digit(text[i - 1]);
    const bool after = i + 1 < text.size() && digit(text[i + 1]);
    if (text[i] == ',' && before && after) continue;
    if (text[i] == '.') {
      if (after) clean += '.';
    } else {
      clean += spaced.find(text[i]) == std::string::npos ? text[i] : ' ';
    }
  }
  return clean;
}

}  // namespace

std::string vqa_normalized(const std::string& answer) {
  static const std::set<std::string> articles = {"a", "an", "the"};
  std::string kept, all;
  const auto append = [](std::string& text, const std::string& word) {
    text += (text.empty() ? "" : " ") + word;
  };
  const auto text = without_punctuation(answer);
  for (size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find(' ', begin), text.size());
    auto word = text.substr(begin, end - begin);
    begin = end + 1;
    if (word.empty()) continue;
    if (auto found = number_words().find(word); found != number_words().end()) word = found->second;
    if (auto found = contractions().find(word); found != contractions().end()) word = found->second;
    append(all, word);
    if (!articles.count(word)) append(kept, word);
  }
  return kept.empty() ? all : kept;
}

bool vqa_same_answer(const std::string& a, const std::string& b) {
  return vqa_normalized(a) == vqa_normalized(b);
}

}  // namespace emend
