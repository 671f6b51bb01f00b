#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace emend::text {

// Byte offset of the first byte that is not well-formed UTF-8 (no surrogates, nothing overlong).
std::optional<size_t> invalid_utf8(std::string_view text);

// Throws emend::Error with the byte's offset for a text that is not.
void check_utf8(std::string_view text);

// Every maximal ill-formed part becomes one U+FFFD, as the Unicode standard recommends.
std::string lossy_utf8(std::string_view bytes);

// Bytes of the character that starts at text[at]. `text` is well-formed.
size_t character_size(std::string_view text, size_t at);
// The code point that starts at text[at] and moves `at` behind it. `text` is well-formed.
char32_t next_code_point(std::string_view text, size_t& at);
void append_utf8(std::string& text, char32_t code_point);

// Unicode White_Space.
bool is_space(char32_t code_point);
// What Python's str.strip takes away: White_Space and U+001C to U+001F.
std::string_view python_lstrip(std::string_view text);
std::string_view python_rstrip(std::string_view text);
// Bytes of white space that `text` (well-formed) starts and ends with.
size_t leading_space(std::string_view text);
size_t trailing_space(std::string_view text);

}  // namespace emend::text
