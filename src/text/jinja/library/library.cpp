#include "text/jinja/library/library.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace emend::text::jinja {
namespace {

// In Python, these are methods or properties of mappings, strings, lists and numbers. Reading one
// gives a value, whereas other names are undefined.
bool is_python_member(const Value& value, std::string_view name) {
  static const auto* const kOfMappings =
      new std::set<std::string_view>{"clear", "copy",    "fromkeys",   "get",    "items", "keys",
                                     "pop",   "popitem", "setdefault", "update", "values"};
  static const auto* const kOfOthers =
      new std::set<std::string_view>{"append",       "as_integer_ratio",
                                     "bit_count",    "bit_length",
                                     "capitalize",   "casefold",
                                     "center",       "clear",
                                     "conjugate",    "copy",
                                     "count",        "denominator",
                                     "encode",       "endswith",
                                     "expandtabs",   "extend",
                                     "find",         "format",
                                     "format_map",   "from_bytes",
                                     "fromhex",      "hex",
                                     "imag",         "index",
                                     "insert",       "is_integer",
                                     "isalnum",      "isalpha",
                                     "isascii",      "isdecimal",
                                     "isdigit",      "isidentifier",
                                     "islower",      "isnumeric",
                                     "isprintable",  "isspace",
                                     "istitle",      "isupper",
                                     "join",         "ljust",
                                     "lower",        "lstrip",
                                     "maketrans",    "numerator",
                                     "partition",    "pop",
                                     "real",         "remove",
                                     "removeprefix", "removesuffix",
                                     "replace",      "reverse",
                                     "rfind",        "rindex",
                                     "rjust",        "rpartition",
                                     "rsplit",       "rstrip",
                                     "sort",         "split",
                                     "splitlines",   "startswith",
                                     "strip",        "swapcase",
                                     "title",        "to_bytes",
                                     "translate",    "upper",
                                     "zfill"};
  return (value.map() ? *kOfMappings : *kOfOthers).count(name) > 0;
}

Value missing(const Value& value, const std::string& name) {
  if (!value.is_none() && is_python_member(value, name))
    refuse(fmt::format("the member '{}' of {}", name, value.kind()));
  return Value::undefined(name);
}

Value range(const Arguments& arguments, Budget& budget) {
  arguments.check("range", 3, {});
  int64_t bounds[3] = {0, 0, 1};
  const auto& given = arguments.in_order;
  if (given.empty()) fail("range needs an integer");
  for (size_t i = 0; i < given.size(); ++i) {
    if (!given[i].is_whole()) fail(fmt::format("range takes integers, not {}", given[i].kind()));
    bounds[given.size() == 1 ? 1 : i] = given[i].whole();
    if (std::abs(static_cast<double>(given[i].whole())) > 1e6) fail("the range is too long");
  }
  const auto [from, to, by] = bounds;
  if (by == 0) fail("the step of a range is 0");
  std::vector<Value> items;
  for (int64_t i = from; by > 0 ? i < to : i > to; i += by) {
    budget.items(1);
    items.emplace_back(i);
  }
  if (items.size() > 100000) fail("the range is too long");  // the limit of Jinja's sandbox
  return Value::list(std::move(items));
}

// Python's strftime for those parts of date and time that do not depend on the locale.
Value formatted_time(const Arguments& arguments, const std::tm& now) {
  arguments.check("strftime_now", 1, {"format"});
  const auto& format = arguments.text(0, "format");
  if (format.size() > 1000) fail("the date format is too long");
  static constexpr std::string_view kKnown = "aAbBdejHIjmMpSuUwWyY%FTDR";
  for (size_t at = format.find('%'); at != std::string::npos; at = format.find('%', at + 2)) {
    if (at + 1 < format.size() && kKnown.find(format[at + 1]) != std::string_view::npos) continue;
    refuse(fmt::format("'{}' in a date format", format.substr(at, 2)));
  }
  if (format.empty()) return Value(std::string());
  std::string text(20 * format.size() + 64, '\0');
  text.resize(std::strftime(text.data(), text.size(), format.c_str(), &now));
  return Value(std::move(text));
}

}  // namespace

const Value* Arguments::get(size_t index, std::string_view name) const {
  return index < in_order.size() ? &in_order[index] : by_name(name);
}

const std::string& Arguments::text(size_t index, std::string_view name) const {
  const Value* value = get(index, name);
  if (!value) fail(fmt::format("the argument '{}' is missing", name));
  if (!value->string())
    fail(fmt::format("the argument '{}' should be a string, not {}", name, value->kind()));
  return *value->string();
}

void Arguments::check(std::string_view what, size_t count,
                      const std::vector<std::string_view>& names) const {
  if (in_order.size() > count) refuse(fmt::format("'{}' with {} arguments", what, in_order.size()));
  for (const auto& argument : named)
    if (std::find(names.begin(), names.end(), argument.first) == names.end())
      refuse(fmt::format("'{}' with the argument '{}'", what, argument.first));
}

const Value* Arguments::by_name(std::string_view name) const {
  for (const auto& [key, value] : named)
    if (key == name) return &value;
  return nullptr;
}

bool is_function(std::string_view name) {
  return name == "raise_exception" || name == "namespace" || name == "range" ||
         name == "strftime_now";
}

Value run_function(const std::string& name, const Arguments& arguments, const std::tm& now,
                   Budget& budget) {
  if (name == "strftime_now") return formatted_time(arguments, now);
  if (name == "range") return range(arguments, budget);
  if (name == "raise_exception") {
    arguments.check(name, 1, {"message"});
    fail(fmt::format("the template refuses these messages: {}", arguments.text(0, "message")));
  }
  if (!arguments.in_order.empty()) refuse("'namespace' with unnamed arguments");
  Value made = Value::new_namespace();
  for (const auto& [key, value] : arguments.named) {
    if (value.names()) refuse("a namespace within another value");
    (*made.names())[key] = value;
  }
  return made;
}

Value attribute_of(const Value& value, const std::string& name) {
  if (value.is_undefined())
    fail(fmt::format("'{}' is undefined, so it has no '{}'", value.undefined()->name, name));
  if (const Namespace* names = value.names()) {
    const auto found = names->find(name);
    return found == names->end() ? Value::undefined(name) : found->second;
  }
  const Map* map = value.map();
  const Value* found = map && !is_python_member(value, name) ? map->find(name) : nullptr;
  return found ? *found : missing(value, name);
}

Value item_of(const Value& value, const Value& key, Budget& budget) {
  const std::string name = key.string() ? *key.string() : key.is_whole() ? to_text(key) : "?";
  if (value.is_undefined())
    fail(fmt::format("'{}' is undefined, so it has no '{}'", value.undefined()->name, name));
  if (key.string()) {
    // An item has priority over a member of that name; for attributes it is the other way round.
    const Value* found = value.map() ? value.map()->find(name) : nullptr;
    return found ? *found : attribute_of(value, name);
  }
  if (value.list() && value.list()->lazy) refuse("an item of a generator");
  if (!key.is_whole() || !(value.list() || value.string())) return Value::undefined(name);
  auto pick = [&](size_t count) -> int64_t {
    const auto size = static_cast<int64_t>(count);
    const int64_t index = key.whole() < 0 ? key.whole() + size : key.whole();
    return index < 0 || index >= size ? -1 : index;
  };
  if (const List* list = value.list()) {
    const int64_t index = pick(list->items.size());
    return index < 0 ? Value::undefined(name) : list->items[index];
  }
  budget.items(value.string()->size());
  const auto all = characters(*value.string());
  const int64_t index = pick(all.size());
  return index < 0 ? Value::undefined(name) : Value(std::string(all[index]));
}

}  // namespace emend::text::jinja
