#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace emend::text {

// Llama's vocabularies spell a byte without a character of its own as "<0xE6>".
std::string byte_token(uint8_t byte);

// The byte that such a token stands for.
std::optional<uint8_t> token_byte(std::string_view token);

}  // namespace emend::text
