#pragma once

#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace emend::text::jinja {

// The arguments of a filter, test, method or function.
class Arguments {
 public:
  std::vector<Value> in_order;
  std::vector<std::pair<std::string, Value>> named;

  // The argument at `index` or by name; null if it is missing.
  const Value* get(size_t index, std::string_view name) const;
  const Value* by_name(std::string_view name) const;
  const std::string& text(size_t index, std::string_view name) const;
  // Refuses more than `count` arguments, and names that are not in `names`.
  void check(std::string_view what, size_t count, const std::vector<std::string_view>& names) const;
};

// Which names exist; checked when a template is parsed.
bool is_filter(std::string_view name);
bool is_test(std::string_view name);
bool is_method(std::string_view name);
bool is_function(std::string_view name);
// Run a filter, test, method or function. Each throws Failure for types that it does not support.
Value run_filter(const std::string& name, const Value& value, const Arguments& arguments,
                 Budget& budget);
bool run_test(const std::string& name, const Value& value, const Arguments& arguments,
              Budget& budget);
Value run_method(const std::string& name, const Value& value, const Arguments& arguments,
                 Budget& budget);
Value run_function(const std::string& name, const Arguments& arguments, const std::tm& now,
                   Budget& budget);

// value.name and value[key] with Jinja's lookup; undefined if they do not exist.
Value attribute_of(const Value& value, const std::string& name);
Value item_of(const Value& value, const Value& key, Budget& budget);

// String functions of filters and methods. Changing the case of non-ASCII letters is refused.
Value upper(std::string_view text);
Value lower(std::string_view text);
Value capitalized(std::string_view text);
Value title_case(std::string_view text);
std::string stripped(std::string_view text, const Value* characters, bool left, bool right);
std::string replaced(std::string_view text, const std::string& from, const std::string& to,
                     int64_t count, Budget& budget);

}  // namespace emend::text::jinja
