#include "io/json/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <unordered_set>

#include "io/error.h"
#include "io/files/file.h"

namespace emend {
namespace {

using nlohmann::json;
constexpr const char* kJsonPlace = "io::json";

// Quotes and shortens a key or string for a message.
std::string in_quotes(const std::string& text) {
  if (text.size() <= 80) return "'" + text + "'";
  return "'" + text.substr(0, 77) + "...'";
}

[[noreturn]] void not_valid(std::string_view text, const std::string& name, size_t position,
                            const char* what, const std::string& where = {}) {
  auto before = text.substr(0, position);
  auto line = 1 + std::count(before.begin(), before.end(), '\n');
  auto start = before.rfind('\n');
  auto column = 1 + before.size() - (start == std::string_view::npos ? 0 : start + 1);
  throw Error(kJsonPlace,
              fmt::format("'{}' is not valid JSON: {} at line {}, column {}{}", name, what, line,
                          column, where),
              "check that the file is complete");
}

// Builds the value itself, because the library's builder silently keeps the last of duplicate keys.
class Builder : public nlohmann::json_sax<json> {
 public:
  Builder(std::string_view text, const std::string& name, int max_depth)
      : text_(text), name_(name), max_depth_(max_depth) {}

  json root;

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t& value) override { return add(std::move(value)); }
  bool start_object(size_t) override { return open(json::object()); }
  bool start_array(size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& value) override {
    auto [place, is_new] = open_.back()->get_ptr<json::object_t*>()->try_emplace(value, nullptr);
    if (!is_new)
      throw Error(kJsonPlace, fmt::format("'{}' has the key {} twice", name_, in_quotes(value)),
                  "remove one of them");
    slot_ = &place->second;
    return true;
  }

  bool parse_error(size_t position, const std::string& token,
                   const nlohmann::detail::exception& error) override {
    position = std::min(position, text_.size());
    bool too_large = error.id == 406;
    not_valid(text_, name_, position ? position - 1 : 0,
              too_large ? "number out of range" : "syntax error",
              printable(token) ? " near " + in_quotes(token) : "");
  }

 private:
  static bool printable(const std::string& token) {
    return !token.empty() && std::all_of(token.begin(), token.end(),
                                         [](unsigned char c) { return c >= 32 && c < 127; });
  }

  template <typename Value>
  bool add(Value&& value) {
    place() = std::forward<Value>(value);
    return true;
  }

  bool open(json container) {
    if (static_cast<int>(open_.size()) >= max_depth_)
      throw Error(kJsonPlace,
                  fmt::format("'{}' is nested deeper than {} levels", name_, max_depth_),
                  "check that it is the right file");
    json& slot = place();
    slot = std::move(container);
    open_.push_back(&slot);
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  // The position of the next value. Pointers to open containers stay valid, because an array grows
  // only at its end, and only after its last element is closed.
  json& place() {
    if (open_.empty()) return root;
    if (!open_.back()->is_array()) return *slot_;
    auto& array = *open_.back()->get_ptr<json::array_t*>();
    array.emplace_back();
    return array.back();
  }

  std::string_view text_;
  const std::string& name_;
  int max_depth_;
  std::vector<json*> open_;
  json* slot_ = nullptr;
};

[[noreturn]] void wrong_type(const json& value, const std::string& key, const char* expected,
                             const std::string& file) {
  throw Error(kJsonPlace,
              fmt::format("'{}': {} should be {} but is {}", file, in_quotes(key), expected,
                          value.is_structured() ? std::string("an ") + value.type_name()
                                                : in_quotes(value.dump(-1, ' ', true))),
              "correct the file");
}

int64_t integer(const json& value, const std::string& key, const std::string& file) {
  if (!value.is_number_integer() ||
      (value.is_number_unsigned() && value.get<uint64_t>() > std::numeric_limits<int64_t>::max()))
    wrong_type(value, key, "an integer", file);
  return value.get<int64_t>();
}

double checked_number(const json& value, const std::string& key, const std::string& file) {
  if (!value.is_number()) wrong_type(value, key, "a number", file);
  return value.get<double>();
}

std::string text(const json& value, const std::string& key, const std::string& file) {
  if (!value.is_string()) wrong_type(value, key, "a string", file);
  return value.get<std::string>();
}

template <typename Element>
auto list(const json& value, const std::string& key, const char* expected, const std::string& file,
          Element element) {
  if (!value.is_array()) wrong_type(value, key, expected, file);
  std::vector<decltype(element(value, key, file))> items;
  items.reserve(value.size());
  for (const auto& item : value) items.push_back(element(item, key, file));
  return items;
}

const json& field(const json& object, const std::string& key, const std::string& file) {
  if (!object.is_object())
    throw Error(kJsonPlace,
                fmt::format("'{}': expected an object with the key {}", file, in_quotes(key)),
                "check that it is the right file");
  auto found = object.find(key);
  if (found == object.end())
    throw Error(kJsonPlace, fmt::format("'{}' has no {}", file, in_quotes(key)),
                "check that it is the right file");
  return *found;
}

}  // namespace

json parse_json(std::string_view text, const std::string& name, int max_depth) {
  // The library treats a NUL as the end and would ignore what follows.
  if (auto nul = text.find('\0'); nul != std::string_view::npos)
    not_valid(text, name, nul, "a NUL byte");
  Builder builder(text, name, max_depth);
  json::sax_parse(text.begin(), text.end(), &builder);
  return std::move(builder.root);
}

json read_json(const std::string& path, int max_depth) {
  return parse_json(read_file(path), path, max_depth);
}

void write_json(const std::string& path, const json& value, int indent) {
  std::string text;
  try {
    text = value.dump(indent);
  } catch (const json::exception&) {
    throw Error(kJsonPlace,
                fmt::format("cannot write '{}': a string in it is not valid UTF-8", path),
                "convert it to UTF-8 first");
  }
  write_file(path, text + "\n");
}

template <>
bool json_get<bool>(const json& object, const std::string& key, const std::string& file) {
  const auto& value = field(object, key, file);
  if (!value.is_boolean()) wrong_type(value, key, "true or false", file);
  return value.get<bool>();
}

template <>
int64_t json_get<int64_t>(const json& object, const std::string& key, const std::string& file) {
  return integer(field(object, key, file), key, file);
}

template <>
double json_get<double>(const json& object, const std::string& key, const std::string& file) {
  return checked_number(field(object, key, file), key, file);
}

template <>
std::string json_get<std::string>(const json& object, const std::string& key,
                                  const std::string& file) {
  return text(field(object, key, file), key, file);
}

template <>
json json_get<json>(const json& object, const std::string& key, const std::string& file) {
  const auto& value = field(object, key, file);
  if (value.is_null()) wrong_type(value, key, "set", file);
  return value;
}

template <>
std::vector<int64_t> json_get<std::vector<int64_t>>(const json& object, const std::string& key,
                                                    const std::string& file) {
  return list(field(object, key, file), key, "a list of integers", file, integer);
}

template <>
std::vector<double> json_get<std::vector<double>>(const json& object, const std::string& key,
                                                  const std::string& file) {
  return list(field(object, key, file), key, "a list of numbers", file, checked_number);
}

template <>
std::vector<std::string> json_get<std::vector<std::string>>(const json& object,
                                                            const std::string& key,
                                                            const std::string& file) {
  return list(field(object, key, file), key, "a list of strings", file, text);
}

}  // namespace emend
