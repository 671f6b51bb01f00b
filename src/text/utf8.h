#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace emend::text {

// The offset of the first byte that is not valid UTF-8 (surrogates and overlong forms are invalid).
std::optional<size_t> invalid_utf8(std::string_view text);

// Throws emend::Error with the offset of the first invalid byte.
void check_utf8(std::string_view text);

// Replaces every maximal invalid sequence by one U+FFFD, as the Unicode standard recommends.
std::string lossy_utf8(std::string_view bytes);

// Whether the byte belongs to a character that begins before it.
bool is_continuation(char byte);
// The number of bytes of the character at text[at]. `text` must be valid UTF-8.
size_t character_size(std::string_view text, size_t at);
// The start of the character that ends before `end`, which is not 0. `text` must be valid UTF-8.
size_t previous_character(std::string_view text, size_t end);
// The code point at text[at]; moves `at` past it. `text` must be valid UTF-8.
char32_t next_code_point(std::string_view text, size_t& at);
void append_utf8(std::string& text, char32_t code_point);

// Unicode White_Space.
bool is_space(char32_t code_point);
// The characters that Python's str.strip removes: White_Space and U+001C to U+001F.
std::string_view python_lstrip(std::string_view text);
std::string_view python_rstrip(std::string_view text);
// The number of bytes of white space at the start and at the end of `text` (valid UTF-8).
size_t leading_space(std::string_view text);
size_t trailing_space(std::string_view text);

}  // namespace emend::text
