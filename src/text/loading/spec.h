#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace emend::text {

// Typed getters for objects of tokenizer.json. Each throws emend::Error that names `where` and the
// field.
std::string spec_type(const nlohmann::json& spec, std::string_view where);
bool spec_bool(const nlohmann::json& spec, const char* field, bool fallback,
               std::string_view where);
std::string spec_string(const nlohmann::json& spec, const char* field, std::string_view where);
// Reads a string of one character.
std::string read_character(const nlohmann::json& spec, const char* field, std::string_view where);
const nlohmann::json& spec_array(const nlohmann::json& spec, const char* field,
                                 std::string_view where);
const nlohmann::json& spec_object(const nlohmann::json& spec, const char* field,
                                  std::string_view where);
// Converts a token ID; `token` is named in the error.
int64_t to_id(const nlohmann::json& value, std::string_view token, std::string_view where);
// Reads a number of characters or tokens.
int64_t spec_count(const nlohmann::json& spec, const char* field, std::string_view where);
// The field, or null if it is absent.
const nlohmann::json& spec_field(const nlohmann::json& spec, const char* field);

[[noreturn]] void malformed(std::string_view where, std::string_view problem);
[[noreturn]] void not_implemented(std::string_view where, std::string_view what);

}  // namespace emend::text
