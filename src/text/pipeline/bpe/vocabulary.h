#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/pipeline/added_tokens.h"
#include "text/pipeline/bpe/bpe.h"

namespace emend::text {

// Reads {"token": id, ...}; `where` is named in errors.
Bpe::Vocabulary read_vocabulary(const nlohmann::json& entries, std::string_view where);

// The tokens by ID. Throws emend::Error of `place` if two tokens share an ID.
std::unordered_map<int64_t, std::string> tokens_by_id(const Bpe::Vocabulary& vocabulary,
                                                      std::string_view place);
// Throws emend::Error: a tokenizer with `size` tokens has no such ID.
[[noreturn]] void unknown_id(int64_t id, int64_t size);

// Reads an added token of tokenizer.json: content and flags. The ID is left at -1.
AddedToken read_added_token(const nlohmann::json& entry, std::string_view where);
// Reads the list "added_tokens" of tokenizer.json, with IDs.
std::vector<AddedToken> read_added_tokens(const nlohmann::json& root);

// "a b" -> {"a", "b"}.
std::pair<std::string, std::string> read_merge(const std::string& line, size_t number,
                                               std::string_view where);

}  // namespace emend::text
