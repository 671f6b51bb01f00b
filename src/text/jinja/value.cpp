#include "text/jinja/value.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "text/utf8.h"

namespace emend::text::jinja {
namespace {

constexpr int kMaxValueDepth = 100;

int checked_depth(int depth) {
  if (depth > kMaxValueDepth)
    fail(fmt::format("values are nested more than {} deep", kMaxValueDepth));
  return depth;
}

int depth_within(const Value& item) {
  if (item.names()) refuse("a namespace within another value");
  return checked_depth(item.depth() + 1);
}

std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

// Escapes the same characters as json.dumps with ensure_ascii=False.
std::string json_string(const std::string& text) { return nlohmann::json(text).dump(); }

class JsonWriter {
 public:
  JsonWriter(int indent, Budget& budget) : indent_(indent), budget_(budget) {}

  void write(const Value& value, int level) {
    budget_.step();
    if (value.is_none()) {
      out += "null";
    } else if (const bool* flag = value.boolean()) {
      out += *flag ? "true" : "false";
    } else if (const int64_t* whole = value.integer()) {
      out += std::to_string(*whole);
    } else if (const double* real = value.real()) {
      if (!std::isfinite(*real)) refuse("a number that is not finite in tojson");
      out += real_text(*real);
    } else if (const std::string* text = value.string()) {
      budget_.text(text->size());
      out += json_string(*text);
    } else if (const List* list = value.list(); list && !list->lazy) {
      write_all(list->items, '[', ']', level, [&](const Value& item) { write(item, level + 1); });
    } else if (const Map* map = value.map()) {
      write_all(map->entries, '{', '}', level, [&](const auto& entry) {
        out += json_string(entry.first);
        out += ": ";
        write(entry.second, level + 1);
      });
    } else {
      fail(fmt::format("tojson does not support {}", value.kind()));
    }
  }

  std::string out;

 private:
  template <typename Items, typename Write>
  void write_all(const Items& items, char open, char close, int level, Write write_one) {
    out += open;
    bool first = true;
    for (const auto& item : items) {
      if (!first) out += indent_ < 0 ? ", " : ",";
      first = false;
      new_line(level + 1);
      write_one(item);
    }
    if (!first) new_line(level);
    out += close;
  }
  void new_line(int level) {
    if (indent_ < 0) return;
    const auto spaces = static_cast<size_t>(indent_) * static_cast<size_t>(level);
    budget_.text(spaces);
    out.append(1, '\n').append(spaces, ' ');
  }

  int indent_;
  Budget& budget_;
};

}  // namespace

const Value* Map::find(std::string_view key) const {
  for (const auto& [name, value] : entries)
    if (name == key) return &value;
  return nullptr;
}

Value Value::list(std::vector<Value> items, bool lazy) {
  auto list = std::make_shared<List>();
  for (const Value& item : items) list->depth = std::max(list->depth, depth_within(item));
  list->items = std::move(items);
  list->lazy = lazy;
  return Value(std::shared_ptr<const List>(std::move(list)));
}

Value Value::map(std::vector<std::pair<std::string, Value>> entries) {
  auto map = std::make_shared<Map>();
  for (const auto& entry : entries) map->depth = std::max(map->depth, depth_within(entry.second));
  map->entries = std::move(entries);
  return Value(std::shared_ptr<const Map>(std::move(map)));
}

Value Value::from_json(const nlohmann::ordered_json& json, int depth) {
  checked_depth(depth);
  auto text_of = [](const std::string& text) {
    if (invalid_utf8(text)) fail("a string in the messages or variables is not UTF-8");
    return text;
  };
  switch (json.type()) {
    case nlohmann::ordered_json::value_t::null:
      return Value();
    case nlohmann::ordered_json::value_t::boolean:
      return Value(json.get<bool>());
    case nlohmann::ordered_json::value_t::number_integer:
      return Value(json.get<int64_t>());
    case nlohmann::ordered_json::value_t::number_unsigned:
      if (json.get<uint64_t>() > INT64_MAX) refuse("a number of more than 64 bits");
      return Value(json.get<int64_t>());
    case nlohmann::ordered_json::value_t::number_float:
      return Value(json.get<double>());
    case nlohmann::ordered_json::value_t::string:
      return Value(text_of(json.get_ref<const std::string&>()));
    case nlohmann::ordered_json::value_t::array: {
      std::vector<Value> items;
      for (const auto& item : json) items.push_back(from_json(item, depth + 1));
      return list(std::move(items));
    }
    case nlohmann::ordered_json::value_t::object: {
      std::vector<std::pair<std::string, Value>> entries;
      for (const auto& [key, value] : json.items())
        entries.emplace_back(text_of(key), from_json(value, depth + 1));
      return map(std::move(entries));
    }
    default:
      refuse("binary data in messages");
  }
}

const std::string* Value::string() const {
  const auto* held = std::get_if<std::shared_ptr<const std::string>>(&data_);
  return held ? held->get() : nullptr;
}

const List* Value::list() const {
  const auto* held = std::get_if<std::shared_ptr<const List>>(&data_);
  return held ? held->get() : nullptr;
}

const Map* Value::map() const {
  const auto* held = std::get_if<std::shared_ptr<const Map>>(&data_);
  return held ? held->get() : nullptr;
}

Namespace* Value::names() const {
  const auto* held = std::get_if<std::shared_ptr<Namespace>>(&data_);
  return held ? held->get() : nullptr;
}

const char* Value::kind() const {
  static constexpr const char* kKinds[] = {"undefined",   "none",      "a boolean", "a number",
                                           "a number",    "a string",  "a list",    "a mapping",
                                           "a namespace", "a function"};
  return list() && list()->lazy ? "a generator" : kKinds[data_.index()];
}

bool Value::truth() const {
  if (is_undefined() || is_none()) return false;
  if (is_number()) return number() != 0;
  if (const auto* text = string()) return !text->empty();
  if (const auto* items = list()) return items->lazy || !items->items.empty();
  if (const auto* entries = map()) return !entries->entries.empty();
  return true;
}

int Value::depth() const {
  if (const auto* items = list()) return items->depth;
  if (const auto* entries = map()) return entries->depth;
  return 0;
}

int64_t Value::whole() const { return integer() ? *integer() : (boolean() && *boolean()); }

double Value::number() const { return real() ? *real() : static_cast<double>(whole()); }

bool equal(const Value& a, const Value& b, Budget& budget) {
  budget.step();
  if (a.is_whole() && b.is_whole()) return a.whole() == b.whole();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.string() && b.string()) return *a.string() == *b.string();
  if (a.list() && b.list()) {
    if (a.list()->lazy || b.list()->lazy) return a.list() == b.list();
    const auto &one = a.list()->items, &other = b.list()->items;
    if (one.size() != other.size()) return false;
    for (size_t i = 0; i < one.size(); ++i)
      if (!equal(one[i], other[i], budget)) return false;
    return true;
  }
  if (a.map() && b.map()) {
    if (a.map()->entries.size() != b.map()->entries.size()) return false;
    for (const auto& [key, value] : a.map()->entries) {
      budget.items(b.map()->entries.size());
      const Value* other = b.map()->find(key);
      if (!other || !equal(value, *other, budget)) return false;
    }
    return true;
  }
  if (a.names() || b.names()) return a.names() == b.names();
  if (a.function() && b.function())
    return a.function()->name == b.function()->name && a.function()->macro == b.function()->macro;
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

int compare(const Value& a, const Value& b) {
  if (a.is_whole() && b.is_whole())
    return a.whole() < b.whole() ? -1 : a.whole() > b.whole() ? 1 : 0;
  if (a.is_number() && b.is_number()) {
    if (std::isnan(a.number()) || std::isnan(b.number())) refuse("a comparison with nan");
    return a.number() < b.number() ? -1 : a.number() > b.number() ? 1 : 0;
  }
  // The order of UTF-8 bytes is the order of code points.
  if (a.string() && b.string()) return a.string()->compare(*b.string());
  fail(fmt::format("{} and {} cannot be ordered", a.kind(), b.kind()));
}

bool contains(const Value& collection, const Value& item, Budget& budget) {
  if (const auto* text = collection.string()) {
    if (!item.string()) fail(fmt::format("a string cannot contain {}", item.kind()));
    budget.text(text->size());
    return text->find(*item.string()) != std::string::npos;
  }
  if (const auto* map = collection.map()) {
    if (item.list() || item.map()) fail(fmt::format("{} cannot be a key", item.kind()));
    budget.items(map->entries.size());
    return item.string() && map->find(*item.string());
  }
  for (const Value& one : items_of(collection, budget))
    if (equal(one, item, budget)) return true;
  return false;
}

std::string to_text(const Value& value) {
  if (value.is_undefined()) return {};
  if (value.is_none()) return "None";
  if (const auto* flag = value.boolean()) return *flag ? "True" : "False";
  if (const auto* whole = value.integer()) return std::to_string(*whole);
  if (const auto* real = value.real()) return real_text(*real);
  if (const auto* text = value.string()) return *text;
  refuse(fmt::format("{} as text", value.kind()));
}

std::string to_json(const Value& value, int indent, Budget& budget) {
  JsonWriter writer(indent, budget);
  writer.write(value, 0);
  return std::move(writer.out);
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> all;
  for (size_t at = 0; at < text.size(); at += all.back().size())
    all.push_back(text.substr(at, character_size(text, at)));
  return all;
}

std::vector<Value> items_of(const Value& value, Budget& budget) {
  std::vector<Value> items;
  if (const auto* list = value.list()) {
    if (list->lazy && list->used) fail("a generator can be iterated only once");
    list->used = true;
    budget.items(list->items.size());
    return list->items;
  }
  if (const auto* map = value.map()) {
    budget.items(map->entries.size());
    for (const auto& entry : map->entries) items.emplace_back(entry.first);
    return items;
  }
  if (const auto* text = value.string()) {
    budget.items(text->size());
    for (const auto character : characters(*text)) items.emplace_back(std::string(character));
    return items;
  }
  if (value.is_undefined()) return items;
  fail(fmt::format("{} cannot be iterated", value.kind()));
}

}  // namespace emend::text::jinja
