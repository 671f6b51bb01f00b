#include "text/loading/spec.h"

#include <fmt/format.h>

#include "io/error.h"
#include "text/utf8.h"

namespace emend::text {

void malformed(std::string_view where, std::string_view problem) {
  throw Error("text::tokenizer", fmt::format("{}: {}", where, problem),
              "the file is damaged, or was not written by Hugging Face tokenizers");
}

void not_implemented(std::string_view where, std::string_view what) {
  throw Error(
      "text::tokenizer", fmt::format("{} '{}' is not implemented", where, what),
      "supported are BPE tokenizers such as those of GPT-2, OPT, Qwen2 and Llama, and WordPiece");
}

const nlohmann::json& spec_field(const nlohmann::json& spec, const char* field) {
  static const nlohmann::json kNone;
  if (!spec.is_object()) return kNone;
  const auto found = spec.find(field);
  return found == spec.end() ? kNone : *found;
}

namespace {

const nlohmann::json& need(const nlohmann::json& spec, const char* field, std::string_view where,
                           nlohmann::json::value_t type, const char* kind) {
  const auto& value = spec_field(spec, field);
  if (value.type() != type)
    malformed(where, fmt::format("'{}' should be {}, not {}", field, kind, value.type_name()));
  return value;
}

}  // namespace

std::string spec_string(const nlohmann::json& spec, const char* field, std::string_view where) {
  return need(spec, field, where, nlohmann::json::value_t::string, "a string")
      .get_ref<const std::string&>();
}

std::string spec_type(const nlohmann::json& spec, std::string_view where) {
  return spec_string(spec, "type", where);
}

std::string read_character(const nlohmann::json& spec, const char* field, std::string_view where) {
  auto text = spec_string(spec, field, where);
  if (text.empty() || character_size(text, 0) != text.size())
    malformed(where, fmt::format("'{}' should be one character, not '{}'", field, text));
  return text;
}

bool spec_bool(const nlohmann::json& spec, const char* field, bool fallback,
               std::string_view where) {
  if (spec_field(spec, field).is_null()) return fallback;
  return need(spec, field, where, nlohmann::json::value_t::boolean, "true or false").get<bool>();
}

namespace {

bool is_count(const nlohmann::json& value) {
  if (!value.is_number_integer()) return false;
  const auto number = value.get<int64_t>();  // negative if it does not fit
  return number >= 0 && number <= INT32_MAX;
}

}  // namespace

int64_t spec_count(const nlohmann::json& spec, const char* field, std::string_view where) {
  const auto& value = spec_field(spec, field);
  if (!is_count(value))
    malformed(where, fmt::format("'{}' should be an integer of at least 0", field));
  return value.get<int64_t>();
}

int64_t to_id(const nlohmann::json& value, std::string_view token, std::string_view where) {
  if (!is_count(value))
    malformed(where, fmt::format("the ID of '{}' should be an integer of at least 0", token));
  return value.get<int64_t>();
}

const nlohmann::json& spec_array(const nlohmann::json& spec, const char* field,
                                 std::string_view where) {
  return need(spec, field, where, nlohmann::json::value_t::array, "a list");
}

const nlohmann::json& spec_object(const nlohmann::json& spec, const char* field,
                                  std::string_view where) {
  return need(spec, field, where, nlohmann::json::value_t::object, "an object");
}

}  // namespace emend::text
