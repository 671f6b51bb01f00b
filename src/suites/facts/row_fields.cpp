#include "suites/facts/row_fields.h"

#include <fmt/format.h>

#include "io/error.h"
#include "io/log.h"
#include "io/strings/blank.h"

namespace emend {
namespace {

using nlohmann::json;
constexpr const char* kRowFieldsPlace = "suites::rows";

// A shortened value for messages.
std::string quoted(const json& value) {
  auto text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  return text.size() > 80 ? text.substr(0, 77) + "..." : text;
}

void count_unused_in(const json& object, const std::string& path, const std::set<std::string>& read,
                     std::set<std::string>& unused) {
  for (const auto& [name, value] : object.items()) {
    const auto here = path + name;
    if (value.is_null() || read.count(here)) continue;
    // The fields inside were read separately.
    const auto within = read.lower_bound(here + ".");
    const bool opened = within != read.end() && within->starts_with(here + ".");
    if (opened && value.is_object()) {
      count_unused_in(value, here + ".", read, unused);
    } else if (opened && value.is_array()) {
      for (const auto& element : value)
        if (element.is_object()) count_unused_in(element, here + ".", read, unused);
    } else {
      unused.insert(here.substr(0, 100));
    }
  }
}

// A text without visible characters is treated as absent.
std::string text_or_nothing(const json& value) {
  auto text = value.get<std::string>();
  return is_blank(text) ? std::string() : text;
}

constexpr std::string_view kOthers = " (all but the first)";

}  // namespace

RowFields::RowFields(const json& row, std::string where)
    : RowFields(row, std::move(where), "", std::make_shared<std::set<std::string>>()) {
  if (!row.is_object())
    throw Error(kRowFieldsPlace,
                fmt::format("'{}' is {} instead of an object", where_, quoted(row)),
                "write a list of objects: [{\"src\": ...}, ...]");
}

RowFields::RowFields(const json& object, std::string where, std::string path,
                     std::shared_ptr<std::set<std::string>> read)
    : object_(&object), where_(std::move(where)), path_(std::move(path)), read_(std::move(read)) {}

void RowFields::refuse(std::string_view name, const std::string& problem,
                       const std::string& hint) const {
  throw Error(kRowFieldsPlace, fmt::format("'{}': '{}' {}", where_, path_of(name), problem), hint);
}

const json* RowFields::find(std::string_view name) const {
  const auto found = object_->find(std::string(name));
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

const json& RowFields::get(std::string_view name) const {
  if (const auto* value = find(name)) return *value;
  const bool is_null = object_->contains(std::string(name));
  throw Error(
      kRowFieldsPlace,
      fmt::format("'{}' {} '{}'", where_, is_null ? "has null for" : "has no", path_of(name)),
      fmt::format("add \"{}\" to the row, or use the suite that reads this file", name));
}

bool RowFields::has(std::string_view name) const { return find(name) != nullptr; }

bool RowFields::is_object(std::string_view name) const {
  const auto* value = find(name);
  return value && value->is_object();
}

std::string RowFields::text(std::string_view name) const {
  const auto& value = get(name);
  if (!value.is_string())
    refuse(name, fmt::format("is {} instead of text", quoted(value)),
           fmt::format("write it in quotes: \"{}\": \"...\"", name));
  read_->insert(path_of(name));
  return text_or_nothing(value);
}

std::string RowFields::text_or_empty(std::string_view name) const {
  return has(name) ? text(name) : std::string();
}

std::vector<std::string> RowFields::texts(std::string_view name) const {
  std::vector<std::string> all;
  const auto* value = find(name);
  if (!value) return all;
  const auto wrong = [&] {
    refuse(name, fmt::format("is {} instead of a list of texts", quoted(*value)),
           fmt::format("write \"{}\": [\"...\", \"...\"]", name));
  };
  if (!value->is_array()) wrong();
  for (const auto& one : *value) {
    if (!one.is_string()) wrong();
    if (auto text = text_or_nothing(one); !text.empty()) all.push_back(std::move(text));
  }
  read_->insert(path_of(name));
  return all;
}

std::string RowFields::answer_of(const json& value, std::string_view name) const {
  if (value.is_string()) return text_or_nothing(value);
  if (value.is_number()) return value.dump();
  if (value.is_array() && value.size() == 1 && !value[0].is_array())
    return answer_of(value[0], name);
  if (value.is_array() && value.size() > 1)
    refuse(name, fmt::format("lists {} answers: {}", value.size(), quoted(value)),
           fmt::format("keep one of them: \"{}\": \"...\"", name));
  if (value.is_boolean())
    refuse(name, fmt::format("is {} instead of an answer", quoted(value)),
           fmt::format("write the words of the answer, for example \"{}\": \"{}\"", name,
                       value.get<bool>() ? "yes" : "no"));
  refuse(name, fmt::format("is {} instead of an answer", quoted(value)),
         fmt::format("write it as text or as a number: \"{}\": \"...\"", name));
}

std::string RowFields::answer(std::string_view name) const {
  auto answer = answer_of(get(name), name);
  read_->insert(path_of(name));
  return answer;
}

std::string RowFields::answer_or_empty(std::string_view name) const {
  return has(name) ? answer(name) : std::string();
}

std::string RowFields::first_answer(std::string_view name) const {
  const auto* value = find(name);
  if (!value) return {};
  read_->insert(path_of(name));
  while (value->is_array()) {
    if (value->empty()) return {};
    if (value->size() > 1) read_->insert(path_of(name) + std::string(kOthers));
    value = &value->front();
  }
  return answer_of(*value, name);
}

bool RowFields::flag(std::string_view name) const {
  if (!has(name)) return false;
  const auto& value = get(name);
  if (!value.is_boolean())
    refuse(name, fmt::format("is {} instead of true or false", quoted(value)),
           fmt::format("write \"{}\": true", name));
  read_->insert(path_of(name));
  return value.get<bool>();
}

RowFields RowFields::object(std::string_view name) const {
  const auto& value = get(name);
  if (!value.is_object())
    refuse(name, fmt::format("is {} instead of an object", quoted(value)),
           fmt::format("write \"{}\": {{...}}", name));
  return {value, where_, path_of(name) + ".", read_};
}

std::vector<RowFields> RowFields::objects(std::string_view name) const {
  std::vector<RowFields> all;
  const auto* value = find(name);
  if (!value) return all;
  if (value->is_object()) return {object(name)};
  const auto wrong = [&] {
    refuse(name, fmt::format("is {} instead of a list of objects", quoted(*value)),
           fmt::format("write \"{}\": [{{...}}, {{...}}]", name));
  };
  if (!value->is_array()) wrong();
  if (value->empty()) read_->insert(path_of(name));
  for (const auto& one : *value) {
    if (!one.is_object()) wrong();
    all.push_back({one, where_, path_of(name) + ".", read_});
  }
  return all;
}

std::vector<std::string> RowFields::names() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : object_->items())
    if (!value.is_null()) names.push_back(name);
  return names;
}

void RowFields::count_unused(std::map<std::string, size_t>& counts) const {
  std::set<std::string> unused;
  count_unused_in(*object_, path_, *read_, unused);
  for (const auto& read : *read_)
    if (read.ends_with(kOthers)) unused.insert(read);
  for (const auto& field : unused) ++counts[field];
}

void log_unused_fields(const std::string& file, const std::map<std::string, size_t>& counts) {
  if (counts.empty()) return;
  std::vector<std::string> fields;
  for (const auto& [field, rows] : counts) {
    if (fields.size() == 20) {
      fields.push_back(fmt::format("and {} more", counts.size() - fields.size()));
      break;
    }
    fields.push_back(fmt::format("{} ({} {})", field, rows, rows == 1 ? "row" : "rows"));
  }
  logger().info("'{}' has fields that the suite does not use: {}", file, fmt::join(fields, ", "));
}

}  // namespace emend
