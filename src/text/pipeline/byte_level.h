#pragma once

#include <string>
#include <string_view>

namespace emend::text {

// Byte-level BPE writes every byte as one printable character: bytes that print stand for
// themselves, the others for U+0100 and up in order (Radford et al. 2019, GPT-2).
std::string byte_symbol(unsigned char byte);  // UTF-8
std::string byte_symbols(std::string_view bytes);

// The bytes that a token's text stands for. A token with any character that stands for no byte
// (an added token like "¦") is its own text.
std::string token_bytes(std::string_view token);

}  // namespace emend::text
