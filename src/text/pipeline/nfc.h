#pragma once

#include <string>
#include <string_view>

namespace emend::text {

// Unicode's canonical composition of well-formed UTF-8, by the tables that Hugging Face has.
std::string nfc(std::string_view text);

}  // namespace emend::text
