#pragma once

#include <string>
#include <string_view>

namespace emend::text {

// Canonical composition (NFC) and decomposition (NFD) of valid UTF-8 by the tables of the utf8proc
// library, which are newer than those of Hugging Face tokenizers.
std::string compose(std::string_view text);
std::string decompose(std::string_view text);

}  // namespace emend::text
