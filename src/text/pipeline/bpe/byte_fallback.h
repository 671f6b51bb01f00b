#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace emend::text {

// Vocabularies of Llama encode a byte that has no token of its own as "<0xE6>".
std::string byte_token(uint8_t byte);

// The byte of such a token; nullopt for other tokens.
std::optional<uint8_t> token_byte(std::string_view token);

}  // namespace emend::text
