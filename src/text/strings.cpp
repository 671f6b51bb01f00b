#include "text/strings.h"

#include <cctype>

#include <utility>

namespace emend::text {

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  size_t done = 0;
  for (size_t at; (at = text.find(from, done)) != std::string_view::npos; done = at + from.size())
    out.append(text, done, at - done) += to;
  return out.append(text, done);
}

std::string clean_up_tokenization(std::string text) {
  for (const auto& [from, to] : {std::pair{" .", "."},
                                 {" ?", "?"},
                                 {" !", "!"},
                                 {" ,", ","},
                                 {" ' ", "'"},
                                 {" n't", "n't"},
                                 {" 'm", "'m"},
                                 {" 's", "'s"},
                                 {" 've", "'ve"},
                                 {" 're", "'re"}})
    if (text.find(from) != std::string::npos) text = replace_all(text, from, to);
  return text;
}

size_t find_whole_words(std::string_view text, std::string_view words) {
  const auto in_word = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return std::isalnum(byte) || byte >= 0x80;
  };
  for (auto at = text.find(words); at != text.npos; at = text.find(words, at + 1)) {
    const auto end = at + words.size();
    const bool inside = (at > 0 && in_word(text[at - 1]) && in_word(words.front())) ||
                        (end < text.size() && in_word(text[end]) && in_word(words.back()));
    if (!inside) return at;
  }
  return text.npos;
}

}  // namespace emend::text
