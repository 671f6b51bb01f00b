#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace emend::text {

// What happens to a text before it is cut: nothing, or Unicode's canonical composition.
enum class Normalizer { none, nfc };

// The "normalizer" object of tokenizer.json. Throws emend::Error for any other kind.
Normalizer make_normalizer(const nlohmann::json& spec);

// `text` is well-formed UTF-8.
std::string normalize(Normalizer normalizer, std::string_view text);

}  // namespace emend::text
