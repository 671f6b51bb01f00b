#pragma once

#include <string>
#include <string_view>

namespace emend::text {

// Replaces every occurrence of `from`, which must not be empty, from the left.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

// Removes the spaces before punctuation and in English contractions, as clean_up_tokenization in
// transformers.
std::string clean_up_tokenization(std::string text);

// The offset of the first `words` in the text that are not part of a longer word, or npos. A byte of a
// character outside ASCII belongs to a word.
size_t find_whole_words(std::string_view text, std::string_view words);

}  // namespace emend::text
