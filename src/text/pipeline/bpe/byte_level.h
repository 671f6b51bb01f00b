#pragma once

#include <string>
#include <string_view>

namespace emend::text {

// Byte-level BPE maps every byte to a printable character: printable bytes to themselves, and the
// others to U+0100 and up, in order (Radford et al. 2019, GPT-2).
std::string byte_symbol(unsigned char byte);  // UTF-8
std::string byte_symbols(std::string_view bytes);

// The bytes of a token. If a character of the token does not stand for a byte (as in an added token
// like "星"), the result is the token's text.
std::string token_bytes(std::string_view token);

}  // namespace emend::text
