#include "models/config/json_fields.h"

#include <fmt/format.h>

#include "io/error.h"
#include "io/json/json.h"

namespace emend {
namespace {

const nlohmann::json& empty_object() {
  static const nlohmann::json empty = nlohmann::json::object();
  return empty;
}

// A value for a message: short and valid UTF-8.
std::string quoted(const nlohmann::json& value) {
  auto text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

}  // namespace

nlohmann::json read_json_object(const std::string& path) {
  auto json = read_json(path);
  if (!json.is_object())
    throw Error("models::config", fmt::format("{} is not an object", path),
                "check that it is the right file");
  return json;
}

JsonFields::JsonFields(std::string path, const nlohmann::json& json)
    : path_(std::move(path)), json_(&json) {
  if (!json.is_object())
    throw Error("models::config", fmt::format("{} is not an object", path_),
                "check that it is the right file");
}

const nlohmann::json* JsonFields::find(const char* name) const {
  auto found = json_->find(name);
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

void JsonFields::refuse(const char* name, const nlohmann::json& value,
                        const std::string& expected) const {
  throw Error("models::config", fmt::format("{} is {}", field(name), quoted(value)),
              "implemented: " + expected);
}

int64_t JsonFields::integer(const char* name, int64_t absent, int64_t least, int64_t most) const {
  const auto* value = find(name);
  if (!value) return absent;
  const bool whole =
      value->is_number_integer() &&
      !(value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX));
  if (!whole || value->get<int64_t>() < least || value->get<int64_t>() > most)
    refuse(name, *value, fmt::format("whole numbers from {} to {}", least, most));
  return value->get<int64_t>();
}

double JsonFields::number(const char* name, double absent, double least, double most) const {
  const auto* value = find(name);
  if (!value) return absent;
  if (!value->is_number() || !(value->get<double>() >= least) || !(value->get<double>() <= most))
    refuse(name, *value, fmt::format("numbers from {} to {}", least, most));
  return value->get<double>();
}

bool JsonFields::boolean(const char* name, bool absent) const {
  const auto* value = find(name);
  if (!value) return absent;
  if (!value->is_boolean()) refuse(name, *value, "true, false");
  return value->get<bool>();
}

int64_t JsonFields::square(const char* name, int64_t absent, int64_t most) const {
  const auto* value = find(name);
  if (!value || !value->is_array()) return integer(name, absent, 1, most);
  if (value->size() != 2 || (*value)[0] != (*value)[1]) refuse(name, *value, "squares");
  return JsonFields(path_, {{name, (*value)[0]}}).integer(name, absent, 1, most);
}

Activation JsonFields::activation(const char* name, const char* absent) const {
  const auto* value = find(name);
  if (value && !value->is_string()) refuse(name, *value, "the name of an activation function");
  return activation_by_name(value ? value->get<std::string>() : absent, field(name));
}

std::optional<std::string> JsonFields::string(const char* name) const {
  const auto* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_string()) refuse(name, *value, "a string");
  return value->get<std::string>();
}

std::vector<int64_t> JsonFields::ids(const char* name) const {
  std::vector<int64_t> ids;
  const auto* value = find(name);
  if (!value) return ids;
  const auto list = value->is_array() ? *value : nlohmann::json::array({*value});
  for (const auto& id : list) {
    if (!id.is_number_integer()) refuse(name, *value, "token ids");
    ids.push_back(id.get<int64_t>());
  }
  return ids;
}

bool JsonFields::is_null(const char* name) const {
  const auto found = json_->find(name);
  return found != json_->end() && found->is_null();
}

std::vector<std::string> JsonFields::strings(const char* name) const {
  std::vector<std::string> strings;
  const auto* value = find(name);
  if (!value) return strings;
  if (!value->is_array()) refuse(name, *value, "a list of strings");
  for (const auto& one : *value) {
    if (!one.is_string()) refuse(name, *value, "a list of strings");
    strings.push_back(one.get<std::string>());
  }
  return strings;
}

std::optional<std::string> JsonFields::first_string(const char* name) const {
  const auto all = strings(name);
  return all.empty() ? std::nullopt : std::optional(all.front());
}

JsonFields JsonFields::object(const char* name) const {
  const auto* value = find(name);
  if (value && !value->is_object()) refuse(name, *value, "an object");
  return JsonFields(name, value ? *value : empty_object());
}

std::vector<double> JsonFields::numbers(const char* name, int64_t count, double least,
                                        double most) const {
  const auto* value = find(name);
  const auto expected = fmt::format("{} numbers from {} to {}", count, least, most);
  if (!value || !value->is_array() || static_cast<int64_t>(value->size()) != count)
    refuse(name, expected);
  std::vector<double> numbers;
  for (const auto& number : *value) {
    if (!number.is_number() || !(number.get<double>() >= least) || !(number.get<double>() <= most))
      refuse(name, expected);
    numbers.push_back(number.get<double>());
  }
  return numbers;
}

void JsonFields::refuse(const char* name, const std::string& expected) const {
  const auto* value = find(name);
  refuse(name, value ? *value : nlohmann::json(), expected);
}

void JsonFields::expect_only(const std::set<std::string>& names) const {
  for (const auto& [name, value] : json_->items())
    if (!value.is_null() && names.count(name) == 0)
      refuse(name.c_str(), "files without this field");
}

void JsonFields::expect(const char* name, const std::string& only) const {
  const auto* value = find(name);
  if (value && *value != only) refuse(name, *value, "`" + only + "`");
}

void JsonFields::expect_flag(const char* name, bool only) const {
  const auto* value = find(name);
  if (value && *value != only) refuse(name, *value, only ? "true" : "false");
}

void JsonFields::expect_absent(const char* name) const {
  if (const auto* value = find(name)) refuse(name, *value, "files without this field");
}

std::vector<int64_t> stop_tokens(const std::vector<JsonFields>& places) {
  for (const auto& fields : places)
    if (auto ids = fields.ids("eos_token_id"); !ids.empty()) return ids;
  return {2};
}

}  // namespace emend
