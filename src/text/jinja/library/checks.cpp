#include <fmt/format.h>

#include <functional>
#include <map>

#include "text/jinja/library/library.h"

namespace emend::text::jinja {
namespace {

using Test = std::function<bool(const Value&, const Arguments&, Budget&)>;

// A test of the value alone.
Test plain(bool (*holds)(const Value&)) {
  return [holds](const Value& value, const Arguments& arguments, Budget&) {
    if (!arguments.in_order.empty() || !arguments.named.empty())
      refuse("an argument of a test without parameters");
    return holds(value);
  };
}

// A test that compares the value with an argument.
Test against(bool (*holds)(const Value&, const Value&, Budget&)) {
  return [holds](const Value& value, const Arguments& arguments, Budget& budget) {
    if (arguments.in_order.size() != 1 || !arguments.named.empty())
      fail("a comparison test needs one argument");
    return holds(value, arguments.in_order[0], budget);
  };
}

int64_t whole(const Value& value) {
  if (!value.is_whole()) fail(fmt::format("an integer is needed, not {}", value.kind()));
  return value.whole();
}

const std::map<std::string, Test, std::less<>>& tests() {
  static const auto* const kTests = [] {
    auto* all = new std::map<std::string, Test, std::less<>>{
        {"boolean", plain([](const Value& v) { return v.boolean() != nullptr; })},
        {"callable", plain([](const Value& v) { return v.function() != nullptr; })},
        {"defined", plain([](const Value& v) { return !v.is_undefined(); })},
        {"even", plain([](const Value& v) { return whole(v) % 2 == 0; })},
        {"false", plain([](const Value& v) { return v.boolean() && !*v.boolean(); })},
        {"float", plain([](const Value& v) { return v.real() != nullptr; })},
        {"in", against([](const Value& v, const Value& all, Budget& budget) {
           return contains(all, v, budget);
         })},
        {"integer", plain([](const Value& v) { return v.integer() != nullptr; })},
        {"iterable", plain([](const Value& v) {
           return v.list() || v.map() || v.string() || v.is_undefined();
         })},
        {"mapping", plain([](const Value& v) { return v.map() != nullptr; })},
        {"none", plain([](const Value& v) { return v.is_none(); })},
        {"number", plain([](const Value& v) { return v.is_number(); })},
        {"odd", plain([](const Value& v) { return whole(v) % 2 != 0; })},
        {"sequence", plain([](const Value& v) {
           return (v.list() && !v.list()->lazy) || v.map() || v.string() || v.is_undefined();
         })},
        {"string", plain([](const Value& v) { return v.string() != nullptr; })},
        {"true", plain([](const Value& v) { return v.boolean() && *v.boolean(); })},
        {"undefined", plain([](const Value& v) { return v.is_undefined(); })},
    };
    auto add = [&](std::initializer_list<const char*> names,
                   bool (*holds)(const Value&, const Value&, Budget&)) {
      for (const char* name : names) all->emplace(name, against(holds));
    };
    add({"equalto", "eq", "=="}, equal);
    add({"ne", "!="},
        [](const Value& a, const Value& b, Budget& budget) { return !equal(a, b, budget); });
    add({"lt", "lessthan", "<"},
        [](const Value& a, const Value& b, Budget&) { return compare(a, b) < 0; });
    add({"le", "<="}, [](const Value& a, const Value& b, Budget&) { return compare(a, b) <= 0; });
    add({"gt", "greaterthan", ">"},
        [](const Value& a, const Value& b, Budget&) { return compare(a, b) > 0; });
    add({"ge", ">="}, [](const Value& a, const Value& b, Budget&) { return compare(a, b) >= 0; });
    return all;
  }();
  return *kTests;
}

}  // namespace

bool is_test(std::string_view name) { return tests().count(name) > 0; }

bool run_test(const std::string& name, const Value& value, const Arguments& arguments,
              Budget& budget) {
  budget.step();
  return tests().at(name)(value, arguments, budget);
}

}  // namespace emend::text::jinja
