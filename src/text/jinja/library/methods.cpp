#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "text/jinja/library/library.h"
#include "text/utf8.h"

namespace emend::text::jinja {
namespace {

using StringMethod = std::function<Value(const std::string&, const Arguments&, Budget&)>;

StringMethod strip(bool left, bool right) {
  return [left, right](const std::string& text, const Arguments& arguments, Budget& budget) {
    budget.items(text.size());
    return Value(stripped(text, arguments.get(0, "chars"), left, right));
  };
}

StringMethod cased(Value (*run)(std::string_view)) {
  return [run](const std::string& text, const Arguments& arguments, Budget& budget) {
    if (!arguments.in_order.empty()) refuse("an argument of a method without parameters");
    budget.text(text.size());
    return run(text);
  };
}

// Whether the text starts or ends with one of the affixes.
StringMethod affixed(bool start) {
  return [start](const std::string& text, const Arguments& arguments, Budget& budget) {
    const Value* given = arguments.get(0, "");
    if (!given || arguments.in_order.size() > 1) refuse("startswith or endswith with a range");
    const auto affixes = given->string() ? std::vector<Value>{*given} : items_of(*given, budget);
    for (const Value& affix : affixes) {
      if (!affix.string()) fail(fmt::format("a string cannot start with {}", affix.kind()));
      const std::string& part = *affix.string();
      if (part.size() <= text.size() &&
          text.compare(start ? 0 : text.size() - part.size(), part.size(), part) == 0)
        return Value(true);
    }
    return Value(false);
  };
}

int64_t count_of(const Arguments& arguments, size_t index) {
  const Value* value = arguments.get(index, "");
  if (!value) return -1;
  if (!value->is_whole()) fail(fmt::format("a count is {}", value->kind()));
  return value->whole();
}

// Splits at white space, at most `count` times.
std::vector<Value> words(std::string_view text, int64_t count) {
  std::vector<Value> parts;
  text = python_lstrip(text);
  while (!text.empty()) {
    if (count-- == 0) {
      parts.emplace_back(std::string(text));
      break;
    }
    size_t end = 0;
    while (end < text.size() && python_lstrip(text.substr(end)).size() == text.size() - end)
      end += character_size(text, end);
    parts.emplace_back(std::string(text.substr(0, end)));
    text = python_lstrip(text.substr(end));
  }
  return parts;
}

Value split_method(const std::string& text, const Arguments& arguments, Budget& budget) {
  budget.items(text.size());
  const Value* separator = arguments.get(0, "");
  int64_t count = count_of(arguments, 1);
  if (!separator || separator->is_none()) return Value::list(words(text, count));
  const std::string& by = arguments.text(0, "sep");
  if (by.empty()) fail("'split' by an empty string");
  std::vector<Value> parts;
  size_t start = 0;
  for (size_t at; count != 0 && (at = text.find(by, start)) != std::string::npos; --count) {
    parts.emplace_back(text.substr(start, at - start));
    start = at + by.size();
  }
  parts.emplace_back(text.substr(start));
  return Value::list(std::move(parts));
}

Value join_method(const std::string& text, const Arguments& arguments, Budget& budget) {
  const Value* given = arguments.get(0, "");
  if (!given) fail("'join' needs a list");
  std::string out;
  bool first = true;
  for (const Value& item : items_of(*given, budget)) {
    if (!item.string()) fail(fmt::format("'join' takes strings, not {}", item.kind()));
    budget.text(text.size() + item.string()->size());
    if (!std::exchange(first, false)) out += text;
    out += *item.string();
  }
  return Value(std::move(out));
}

const std::map<std::string, StringMethod, std::less<>>& string_methods() {
  static const auto* const kMethods = new std::map<std::string, StringMethod, std::less<>>{
      {"capitalize", cased(capitalized)},
      {"endswith", affixed(false)},
      {"join", join_method},
      {"lower", cased(lower)},
      {"lstrip", strip(true, false)},
      {"replace",
       [](const std::string& text, const Arguments& arguments, Budget& budget) {
         return Value(replaced(text, arguments.text(0, "old"), arguments.text(1, "new"),
                               count_of(arguments, 2), budget));
       }},
      {"rstrip", strip(false, true)},
      {"split", split_method},
      {"startswith", affixed(true)},
      {"strip", strip(true, true)},
      {"title", cased(title_case)},
      {"upper", cased(upper)},
  };
  return *kMethods;
}

bool is_map_method(std::string_view name) {
  return name == "get" || name == "items" || name == "keys" || name == "values";
}

Value run_map_method(const std::string& name, const Map& map, const Arguments& arguments) {
  if (name == "get") {
    const Value* found = map.find(arguments.text(0, "key"));
    const Value* other = arguments.get(1, "");
    return found ? *found : other ? *other : Value();
  }
  if (!arguments.in_order.empty()) fail(fmt::format("'{}' takes no arguments", name));
  std::vector<Value> all;
  for (const auto& [key, value] : map.entries) {
    if (name == "keys")
      all.emplace_back(key);
    else
      all.push_back(name == "values" ? value : Value::list({Value(key), value}));
  }
  return Value::list(std::move(all));
}

}  // namespace

bool is_method(std::string_view name) {
  return string_methods().count(name) > 0 || is_map_method(name);
}

Value run_method(const std::string& name, const Value& value, const Arguments& arguments,
                 Budget& budget) {
  budget.step();
  arguments.check(name, 3, {});
  if (const std::string* text = value.string())
    if (const auto found = string_methods().find(name); found != string_methods().end())
      return found->second(*text, arguments, budget);
  if (const Map* map = value.map(); map && is_map_method(name)) {
    budget.items(map->entries.size());
    return run_map_method(name, *map, arguments);
  }
  if (value.is_undefined())
    fail(fmt::format("'{}' is undefined, so it has no '{}'", value.undefined()->name, name));
  fail(fmt::format("{} has no method '{}'", value.kind(), name));
}

}  // namespace emend::text::jinja
