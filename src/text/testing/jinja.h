#pragma once

// For tests only.

#include <ctime>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "text/jinja/budget.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/library/library.h"
#include "text/jinja/parsing/parser.h"
#include "text/jinja/value.h"

namespace emend::text::jinja {

// The message and the hint of the Failure that `action` throws, or "no failure".
inline std::string failure_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Failure& failure) {
    return failure.what() + (failure.hint.empty() ? "" : ". Hint: " + failure.hint);
  }
  return "no failure";
}
// The message of `refuse`.
inline std::string refused(const std::string& construct) {
  return construct +
         " is not implemented. Hint: src/text/jinja/README.md lists what chat templates may use";
}

// Values are written as JSON. A generator is shown as a list.
inline Value value_of(const char* json) {
  return Value::from_json(nlohmann::ordered_json::parse(json));
}
inline std::string json_of(const Value& value) {
  Budget budget;
  if (value.is_undefined()) return "undefined";
  if (value.list() && value.list()->lazy) return json_of(Value::list(items_of(value, budget)));
  return to_json(value, -1, budget);
}
// ["x", 1] for arguments in order, {"x": 1} for named ones.
inline Arguments arguments_of(const char* json) {
  const Value given = value_of(json);
  Arguments arguments;
  if (given.list()) arguments.in_order = given.list()->items;
  if (given.map()) arguments.named = given.map()->entries;
  return arguments;
}

// The output of a template without variables on 2024-07-06, or the failure.
inline std::string rendered(std::string_view text) {
  std::tm now{};
  ::strptime("2024-07-06", "%Y-%m-%d", &now);
  std::string output;
  const auto failure = failure_of([&] { output = render(parse(text), {}, now); });
  return failure == "no failure" ? output : failure;
}

}  // namespace emend::text::jinja
