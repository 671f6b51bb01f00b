#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "text/pipeline/added_tokens.h"
#include "text/pipeline/bpe.h"

namespace emend::text {

// Reads {"token": id, ...}; `where` is named in errors.
Bpe::Vocabulary read_vocabulary(const nlohmann::json& entries, std::string_view where);

// Reads an added token of tokenizer.json: content and flags. The ID is left at -1.
AddedToken read_added_token(const nlohmann::json& entry, std::string_view where);

// "a b" -> {"a", "b"}.
std::pair<std::string, std::string> read_merge(const std::string& line, size_t number,
                                               std::string_view where);

}  // namespace emend::text
