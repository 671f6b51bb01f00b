#pragma once

#include <string>
#include <string_view>

namespace emend::text {

// Unicode's canonical composition (NFC) of valid UTF-8, with the tables of Hugging Face tokenizers.
std::string nfc(std::string_view text);

}  // namespace emend::text
