#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "text/jinja/library/library.h"

namespace emend::text::jinja {
namespace {

using Filter = std::function<Value(const Value&, const Arguments&, Budget&)>;

// "a.b" or a number, the attribute of selectattr and map; `other` replaces undefined values.
Value attribute_path(Value value, const Value& path, Budget& budget, const Value* other = nullptr) {
  auto step = [&](const Value& key) {
    value = item_of(value, key, budget);
    if (other && value.is_undefined()) value = *other;
  };
  if (path.is_whole()) {
    step(path);
    return value;
  }
  if (!path.string()) fail(fmt::format("an attribute name is {}", path.kind()));
  const std::string& names = *path.string();
  for (size_t start = 0; start <= names.size();) {
    const size_t end = std::min(names.find('.', start), names.size());
    const std::string name = names.substr(start, end - start);
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    const bool whole =
        !name.empty() && name.size() < 10 && std::all_of(name.begin(), name.end(), is_digit);
    step(whole ? Value(int64_t{std::stol(name)}) : Value(name));
    start = end + 1;
  }
  return value;
}

std::string text_of(const Value& value, Budget& budget) {
  auto text = to_text(value);
  budget.text(text.size());
  return text;
}

Value length(const Value& value, const Arguments& arguments, Budget& budget) {
  arguments.check("length", 0, {});
  if (value.is_undefined()) return Value(int64_t{0});
  if (const auto* map = value.map()) return Value(static_cast<int64_t>(map->entries.size()));
  if (const auto* list = value.list(); list && !list->lazy)
    return Value(static_cast<int64_t>(list->items.size()));
  if (const auto* text = value.string()) {
    budget.items(text->size());
    return Value(static_cast<int64_t>(characters(*text).size()));
  }
  fail(fmt::format("{} has no length", value.kind()));
}

Value join(const Value& value, const Arguments& arguments, Budget& budget) {
  arguments.check("join", 2, {"d", "attribute"});
  const Value* between = arguments.get(0, "d");
  const Value* attribute = arguments.get(1, "attribute");
  const std::string separator = between ? text_of(*between, budget) : "";
  std::string out;
  bool first = true;
  for (const Value& item : items_of(value, budget)) {
    budget.text(separator.size());
    if (!std::exchange(first, false)) out += separator;
    out += text_of(attribute ? attribute_path(item, *attribute, budget) : item, budget);
  }
  return Value(std::move(out));
}

Value fallback(const Value& value, const Arguments& arguments, Budget&) {
  arguments.check("default", 2, {"default_value", "boolean"});
  const Value* other = arguments.get(0, "default_value");
  const Value* boolean = arguments.get(1, "boolean");
  const bool wanted = value.is_undefined() || (boolean && boolean->truth() && !value.truth());
  return !wanted ? value : other ? *other : Value(std::string());
}

// The item at one end of a list or string.
Filter end_of(bool last) {
  return [last](const Value& value, const Arguments& arguments, Budget& budget) {
    arguments.check(last ? "last" : "first", 0, {});
    if (last && value.list() && value.list()->lazy) refuse("'last' of a generator");
    const auto items = items_of(value, budget);
    if (items.empty()) return Value::undefined("an item of an empty sequence");
    return last ? items.back() : items.front();
  };
}

Filter select(bool wanted) {
  return [wanted](const Value& value, const Arguments& arguments, Budget& budget) {
    arguments.check("selectattr", 3, {});
    const Value* path = arguments.get(0, "attribute");
    if (!path) fail("selectattr needs an attribute name");
    const bool tested = arguments.in_order.size() > 1;
    const std::string test = tested ? arguments.text(1, "test") : "";
    if (tested && !is_test(test)) refuse(fmt::format("the test '{}'", test));
    Arguments rest;
    if (arguments.in_order.size() > 2) rest.in_order = {arguments.in_order[2]};
    std::vector<Value> kept;
    if (!value.truth()) return Value::list({}, true);  // for any type, as in Jinja
    for (Value& item : items_of(value, budget)) {
      const Value found = attribute_path(item, *path, budget);
      if ((tested ? run_test(test, found, rest, budget) : found.truth()) == wanted)
        kept.push_back(std::move(item));
    }
    return Value::list(std::move(kept), true);
  };
}

Value map(const Value& value, const Arguments& arguments, Budget& budget) {
  arguments.check("map", 4, {"attribute", "default"});
  Arguments rest;
  std::string filter;
  const Value* attribute = nullptr;
  if (arguments.in_order.empty()) {
    attribute = arguments.by_name("attribute");
    if (!attribute) fail("map needs a filter or an attribute");
  } else {
    filter = arguments.text(0, "filter");
    if (!is_filter(filter)) refuse(fmt::format("the filter '{}'", filter));
    if (filter == "map" || filter == "selectattr" || filter == "rejectattr")
      refuse(fmt::format("map with the filter '{}'", filter));
    rest.in_order.assign(arguments.in_order.begin() + 1, arguments.in_order.end());
  }
  const Value* other = attribute ? arguments.by_name("default") : nullptr;
  if (other && other->is_none()) other = nullptr;
  std::vector<Value> items;
  if (!value.truth()) return Value::list({}, true);
  for (const Value& item : items_of(value, budget))
    items.push_back(attribute ? attribute_path(item, *attribute, budget, other)
                              : run_filter(filter, item, rest, budget));
  return Value::list(std::move(items), true);
}

Value pairs(const Value& value, const Arguments& arguments, Budget& budget) {
  arguments.check("items", 0, {});
  if (value.is_undefined()) return Value::list({}, true);
  if (!value.map()) fail(fmt::format("{} has no items", value.kind()));
  return Value::list(items_of(run_method("items", value, arguments, budget), budget), true);
}

Value json(const Value& value, const Arguments& arguments, Budget& budget) {
  arguments.check("tojson", 0, {"indent", "ensure_ascii"});
  const Value* escaped = arguments.by_name("ensure_ascii");
  if (escaped && escaped->truth()) refuse("'tojson' with ensure_ascii");
  const Value* indent = arguments.by_name("indent");
  if (!indent || indent->is_none()) return Value(to_json(value, -1, budget));
  if (!indent->integer() || indent->whole() < 0 || indent->whole() > 16)
    refuse("'tojson' with an indent that is not 0 to 16");
  return Value(to_json(value, static_cast<int>(indent->whole()), budget));
}

Value replace(const Value& value, const Arguments& arguments, Budget& budget) {
  arguments.check("replace", 3, {"old", "new", "count"});
  const Value* count = arguments.get(2, "count");
  if (count && !count->is_none() && !count->is_whole())
    fail("the count of 'replace' must be an integer");
  return Value(replaced(text_of(value, budget), arguments.text(0, "old"), arguments.text(1, "new"),
                        count && count->is_whole() ? count->whole() : -1, budget));
}

// A filter without arguments of the value's text.
Filter of_text(const char* name, Value (*run)(std::string_view)) {
  return [name, run](const Value& value, const Arguments& arguments, Budget& budget) {
    arguments.check(name, 0, {});
    return run(text_of(value, budget));
  };
}

const std::map<std::string, Filter, std::less<>>& filters() {
  static const auto* const kFilters = new std::map<std::string, Filter, std::less<>>{
      {"capitalize", of_text("capitalize", capitalized)},
      {"count", length},
      {"d", fallback},
      {"default", fallback},
      {"first", end_of(false)},
      {"items", pairs},
      {"join", join},
      {"last", end_of(true)},
      {"length", length},
      {"list",
       [](const Value& value, const Arguments& arguments, Budget& budget) {
         arguments.check("list", 0, {});
         return Value::list(items_of(value, budget));
       }},
      {"lower", of_text("lower", lower)},
      {"map", map},
      {"rejectattr", select(false)},
      {"replace", replace},
      {"selectattr", select(true)},
      {"string",
       [](const Value& value, const Arguments& arguments, Budget& budget) {
         arguments.check("string", 0, {});
         return Value(text_of(value, budget));
       }},
      {"tojson", json},
      {"trim",
       [](const Value& value, const Arguments& arguments, Budget& budget) {
         arguments.check("trim", 1, {"chars"});
         return Value(stripped(text_of(value, budget), arguments.get(0, "chars"), true, true));
       }},
      {"upper", of_text("upper", upper)},
  };
  return *kFilters;
}

}  // namespace

bool is_filter(std::string_view name) { return filters().count(name) > 0; }

Value run_filter(const std::string& name, const Value& value, const Arguments& arguments,
                 Budget& budget) {
  budget.step();
  return filters().at(name)(value, arguments, budget);
}

}  // namespace emend::text::jinja
