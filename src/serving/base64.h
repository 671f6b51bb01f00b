#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace emend {

// Decodes base64 [RFC 4648, section 4] with its padding. None if the text is not valid.
std::optional<std::vector<uint8_t>> decode_base64(std::string_view text);

}  // namespace emend
