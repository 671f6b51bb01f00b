#include "text/jinja/evaluator.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <unordered_map>

#include "text/jinja/library/library.h"

namespace emend::text::jinja {
namespace {

using Kind = Expression::Kind;

[[noreturn]] void cannot(const std::string& sign, const Value& a, const Value& b) {
  for (const Value* value : {&a, &b})
    if (value->is_undefined())
      fail(fmt::format("'{}' is undefined, so '{}' cannot be applied to it",
                       value->undefined()->name, sign));
  fail(fmt::format("'{}' cannot be applied to {} and {}", sign, a.kind(), b.kind()));
}

int64_t whole_result(const std::string& sign, int64_t a, int64_t b) {
  int64_t out = 0;
  bool over = false;
  if (sign == "+") {
    over = __builtin_add_overflow(a, b, &out);
  } else if (sign == "-") {
    over = __builtin_sub_overflow(a, b, &out);
  } else if (sign == "*") {
    over = __builtin_mul_overflow(a, b, &out);
  } else {  // Python's // and % round down
    if (b == 0) fail("division by zero");
    over = a == INT64_MIN && b == -1;
    if (!over) {
      const int64_t rest = a % b;
      const bool down = rest != 0 && (rest < 0) != (b < 0);
      out = sign == "//" ? a / b - down : rest + (down ? b : 0);
    }
  }
  if (over) refuse("a number of more than 64 bits");
  return out;
}

Value real_result(const std::string& sign, double a, double b) {
  if (sign == "+") return Value(a + b);
  if (sign == "-") return Value(a - b);
  if (sign == "*") return Value(a * b);
  if (b == 0) fail("division by zero");
  if (sign == "/") return Value(a / b);
  refuse(fmt::format("'{}' of floating-point numbers", sign));
}

Value repeated(const std::string& text, int64_t count, Budget& budget) {
  std::string out;
  for (int64_t i = 0; i < count; ++i) {
    budget.text(text.size() + 1);
    out += text;
  }
  return Value(std::move(out));
}

Value binary(const std::string& sign, const Value& a, const Value& b, Budget& budget) {
  if (a.is_number() && b.is_number()) {
    if (sign != "/" && a.is_whole() && b.is_whole())
      return Value(whole_result(sign, a.whole(), b.whole()));
    return real_result(sign, a.number(), b.number());
  }
  if (sign == "+" && a.string() && b.string()) {
    budget.text(a.string()->size() + b.string()->size());
    return Value(*a.string() + *b.string());
  }
  if (sign == "+" && a.list() && b.list() && !a.list()->lazy && !b.list()->lazy) {
    auto items = items_of(a, budget);
    for (auto& item : items_of(b, budget)) items.push_back(std::move(item));
    return Value::list(std::move(items));
  }
  if (sign == "*" && a.string() && b.is_whole()) return repeated(*a.string(), b.whole(), budget);
  if (sign == "*" && b.string() && a.is_whole()) return repeated(*b.string(), a.whole(), budget);
  if (sign == "%" && a.string()) refuse("'%' of a string");
  if (sign == "*" && (a.list() || b.list())) refuse("'*' of a list");
  cannot(sign, a, b);
}

// Python's slice a[start:stop:step].
Value slice(const Value& value, const Value* bounds[3], Budget& budget) {
  const bool text = value.string() != nullptr;
  if (!text && (!value.list() || value.list()->lazy))
    fail(fmt::format("{} cannot be sliced", value.kind()));
  const auto items = items_of(value, budget);
  const auto size = static_cast<int64_t>(items.size());
  auto read = [&](int which) -> std::optional<int64_t> {
    if (!bounds[which] || bounds[which]->is_none()) return std::nullopt;
    if (!bounds[which]->is_whole()) fail(fmt::format("a slice bound is {}", bounds[which]->kind()));
    return bounds[which]->whole();
  };
  const int64_t step = std::max(read(2).value_or(1), -size - 1);
  if (step == 0) fail("the step of a slice is 0");
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
  auto clamp = [&](std::optional<int64_t> given, int64_t fallback) {
    if (!given) return fallback;
    return std::clamp(*given < 0 ? std::max(*given, -size - 1) + size : *given, low, high);
  };
  const int64_t start = clamp(read(0), step > 0 ? low : high);
  const int64_t stop = clamp(read(1), step > 0 ? high : low);
  std::vector<Value> kept;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    kept.push_back(items[i]);
    if (step > size) break;  // beyond the end
    i += step;
  }
  if (!text) return Value::list(std::move(kept));
  std::string out;
  for (const Value& character : kept) out += *character.string();
  return Value(std::move(out));
}

class Evaluator {
 public:
  Evaluator(const std::vector<std::pair<std::string, Value>>& variables, const std::tm& now)
      : scopes_(1), now_(now) {
    for (const auto& [name, value] : variables) scopes_[0][name] = value;
  }

  std::string run(const std::vector<Statement>& statements) {
    std::string out;
    try {
      run(statements, out);
    } catch (const Failure& failure) {
      throw Failure(fmt::format("line {}: {}", line_, failure.what()), failure.hint);
    }
    return out;
  }

 private:
  using Scope = std::unordered_map<std::string, Value>;
  enum class Flow { on, next_round, leave };

  Flow run(const std::vector<Statement>& statements, std::string& out) {
    for (const Statement& statement : statements)
      if (const Flow flow = run(statement, out); flow != Flow::on) return flow;
    return Flow::on;
  }

  Flow run(const Statement& statement, std::string& out) {
    const Deeper deeper(*this);
    line_ = statement.line;
    budget_.step();
    switch (statement.kind) {
      case Statement::Kind::text:
        write(statement.text, out);
        return Flow::on;
      case Statement::Kind::output:
        write(to_text(evaluate(*statement.expression)), out);
        return Flow::on;
      case Statement::Kind::condition:
        for (const auto& branch : statement.branches)
          if (!branch.test || evaluate(*branch.test).truth()) return run(branch.body, out);
        return Flow::on;
      case Statement::Kind::loop:
        return loop(statement, out);
      case Statement::Kind::assign:
        assign(statement, evaluate(*statement.expression));
        return Flow::on;
      case Statement::Kind::capture: {
        std::string text;
        within_scope([&] { run(statement.body, text); });
        assign(statement, Value(std::move(text)));
        return Flow::on;
      }
      case Statement::Kind::enclosed:
        within_scope([&] { run(statement.body, out); });
        return Flow::on;
      case Statement::Kind::macro:
        scopes_.back()[statement.text] = Value::function(statement.text, &statement);
        return Flow::on;
      case Statement::Kind::loop_continue:
        return Flow::next_round;
      case Statement::Kind::loop_break:
        return Flow::leave;
    }
    return Flow::on;
  }

  Flow loop(const Statement& statement, std::string& out) {
    std::vector<Value> items = items_of(evaluate(*statement.expression), budget_);
    if (statement.filter) {
      std::vector<Value> kept;
      for (Value& item : items)
        within_scope([&] {
          assign(statement, item);
          if (evaluate(*statement.filter).truth()) kept.push_back(std::move(item));
        });
      items = std::move(kept);
    }
    if (items.empty()) return run(statement.otherwise, out);
    for (size_t i = 0; i < items.size(); ++i) {
      budget_.items(10);
      Flow flow = Flow::on;
      within_scope([&] {
        scopes_.back()["loop"] = loop_value(items, i);
        assign(statement, items[i]);
        flow = run(statement.body, out);
      });
      if (flow == Flow::leave) break;
    }
    return Flow::on;
  }

  Value loop_value(const std::vector<Value>& items, size_t i) const {
    auto number = [](size_t value) { return Value(static_cast<int64_t>(value)); };
    auto neighbor = [&](size_t at, const char* name) {
      return at < items.size() ? items[at] : Value::undefined(name);
    };
    return Value::map({{"index", number(i + 1)},
                       {"index0", number(i)},
                       {"revindex", number(items.size() - i)},
                       {"revindex0", number(items.size() - i - 1)},
                       {"first", Value(i == 0)},
                       {"last", Value(i + 1 == items.size())},
                       {"length", number(items.size())},
                       {"depth", number(1)},
                       {"depth0", number(0)},
                       {"previtem", neighbor(i - 1, "previtem")},
                       {"nextitem", neighbor(i + 1, "nextitem")}});
  }

  void assign(const Statement& statement, const Value& value) {
    if (!statement.unpacked) return assign(statement.targets[0], value);
    const auto items = items_of(value, budget_);
    if (items.size() != statement.targets.size())
      fail(fmt::format("{} values for {} variables", items.size(), statement.targets.size()));
    for (size_t i = 0; i < items.size(); ++i) assign(statement.targets[i], items[i]);
  }

  void assign(const Statement::Target& target, const Value& value) {
    if (target.attribute.empty()) {
      scopes_.back()[target.name] = value;
      return;
    }
    Namespace* names = look_up(target.name).names();
    if (!names) fail(fmt::format("'{}' is not a namespace", target.name));
    if (value.names()) refuse("a namespace within another value");
    (*names)[target.attribute] = value;
  }

  Value look_up(const std::string& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
      if (const auto found = scope->find(name); found != scope->end()) return found->second;
    return is_function(name) ? Value::function(name) : Value::undefined(name);
  }

  // A macro sees the variables of the template's top level, its parameters, and what it sets
  // itself.
  Value call_macro(const Statement& macro, const Arguments& given) {
    const auto& parameters = macro.targets;
    if (given.in_order.size() > parameters.size())
      fail(fmt::format("the macro '{}' takes {} arguments, not {}", macro.text, parameters.size(),
                       given.in_order.size()));
    for (const auto& argument : given.named)
      if (std::none_of(parameters.begin(), parameters.end(),
                       [&](const auto& parameter) { return parameter.name == argument.first; }))
        fail(fmt::format("the macro '{}' has no parameter '{}'", macro.text, argument.first));
    std::vector<Scope> outer(std::make_move_iterator(scopes_.begin() + 1),
                             std::make_move_iterator(scopes_.end()));
    scopes_.resize(1);
    scopes_.emplace_back();
    const size_t needed = parameters.size() - macro.defaults.size();
    for (size_t i = 0; i < parameters.size(); ++i) {
      const auto& name = parameters[i].name;
      const Value* value = given.get(i, name);
      scopes_.back()[name] = value         ? *value
                             : i >= needed ? evaluate(*macro.defaults[i - needed])
                                           : Value::undefined(name);
    }
    std::string text;
    run(macro.body, text);
    scopes_.resize(1);
    scopes_.insert(scopes_.end(), std::make_move_iterator(outer.begin()),
                   std::make_move_iterator(outer.end()));
    return Value(std::move(text));
  }

  Value call(const Expression& expression) {
    const Value callee = look_up(expression.name);
    const auto* function = callee.function();
    if (!function) fail(fmt::format("'{}' is {}, not a function", expression.name, callee.kind()));
    const auto given = arguments(expression, 0);
    if (function->macro) return call_macro(*function->macro, given);
    return run_function(function->name, given, now_, budget_);
  }

  // Macros can be recursive.
  struct Deeper {
    explicit Deeper(Evaluator& evaluator) : evaluator(evaluator) {
      if (++evaluator.depth_ > 1500) fail("macro calls are nested too deeply");
    }
    ~Deeper() { --evaluator.depth_; }
    Evaluator& evaluator;
  };

  template <typename Run>
  void within_scope(Run run) {
    scopes_.emplace_back();
    run();
    scopes_.pop_back();
  }

  void write(const std::string& text, std::string& out) {
    budget_.text(text.size());
    out += text;
  }

  Value evaluate(const Expression& expression) {
    const Deeper deeper(*this);
    line_ = expression.line;
    budget_.step();
    const auto& parts = expression.parts;
    switch (expression.kind) {
      case Kind::constant:
        return expression.value;
      case Kind::variable:
        return look_up(expression.name);
      case Kind::list: {
        std::vector<Value> items;
        for (const auto& part : parts) items.push_back(evaluate(*part));
        return Value::list(std::move(items));
      }
      case Kind::map:
        return mapping(expression);
      case Kind::attribute:
        return attribute_of(evaluate(*parts[0]), expression.name);
      case Kind::item: {
        const Value value = evaluate(*parts[0]);
        return item_of(value, evaluate(*parts[1]), budget_);
      }
      case Kind::slice: {
        const Value value = evaluate(*parts[0]);
        Value held[3];
        const Value* bounds[3] = {};
        for (int i = 0; i < 3; ++i)
          if (parts[i + 1]) bounds[i] = &(held[i] = evaluate(*parts[i + 1]));
        return slice(value, bounds, budget_);
      }
      case Kind::call:
        return call(expression);
      case Kind::method: {
        const Value value = evaluate(*parts[0]);
        return run_method(expression.name, value, arguments(expression, 1), budget_);
      }
      case Kind::filter: {
        const Value value = evaluate(*parts[0]);
        return run_filter(expression.name, value, arguments(expression, 1), budget_);
      }
      case Kind::test: {
        const Value value = evaluate(*parts[0]);
        return Value(run_test(expression.name, value, arguments(expression, 1), budget_));
      }
      case Kind::negate: {
        const Value value = evaluate(*parts[0]);
        if (value.is_whole()) return Value(whole_result("-", 0, value.whole()));
        if (value.real()) return Value(-*value.real());
        fail(fmt::format("{} cannot be negated", value.kind()));
      }
      case Kind::logical_not:
        return Value(!evaluate(*parts[0]).truth());
      case Kind::logical_and: {
        Value left = evaluate(*parts[0]);
        return left.truth() ? evaluate(*parts[1]) : left;
      }
      case Kind::logical_or: {
        Value left = evaluate(*parts[0]);
        return left.truth() ? left : evaluate(*parts[1]);
      }
      case Kind::compare: {
        const Value left = evaluate(*parts[0]), right = evaluate(*parts[1]);
        return Value(compared(expression.name, left, right));
      }
      case Kind::binary: {
        const Value left = evaluate(*parts[0]), right = evaluate(*parts[1]);
        return binary(expression.name, left, right, budget_);
      }
      case Kind::concat: {
        std::string text;
        for (const auto& part : parts) write(to_text(evaluate(*part)), text);
        return Value(std::move(text));
      }
      case Kind::condition:
        if (evaluate(*parts[0]).truth()) return evaluate(*parts[1]);
        return parts[2] ? evaluate(*parts[2]) : Value::undefined("a condition without else");
    }
    return Value();
  }

  bool compared(const std::string& sign, const Value& a, const Value& b) {
    if (sign == "==") return equal(a, b, budget_);
    if (sign == "!=") return !equal(a, b, budget_);
    if (sign == "in") return contains(b, a, budget_);
    if (sign == "not in") return !contains(b, a, budget_);
    if (sign == "<") return compare(a, b) < 0;
    if (sign == ">") return compare(a, b) > 0;
    if (sign == "<=") return compare(a, b) <= 0;
    return compare(a, b) >= 0;
  }

  Value mapping(const Expression& expression) {
    std::vector<std::pair<std::string, Value>> entries;
    for (size_t i = 0; i < expression.parts.size(); i += 2) {
      const Value key = evaluate(*expression.parts[i]);
      if (!key.string()) refuse(fmt::format("{} as a key of a mapping", key.kind()));
      budget_.items(entries.size());
      Value value = evaluate(*expression.parts[i + 1]);
      const auto same = [&](const auto& entry) { return entry.first == *key.string(); };
      const auto found = std::find_if(entries.begin(), entries.end(), same);
      if (found != entries.end())
        found->second = std::move(value);
      else
        entries.emplace_back(*key.string(), std::move(value));
    }
    return Value::map(std::move(entries));
  }

  Arguments arguments(const Expression& expression, size_t from) {
    Arguments all;
    for (size_t i = from; i < expression.parts.size(); ++i)
      all.in_order.push_back(evaluate(*expression.parts[i]));
    for (const auto& [name, value] : expression.named)
      all.named.emplace_back(name, evaluate(*value));
    line_ = expression.line;
    return all;
  }

  std::vector<Scope> scopes_;
  const std::tm& now_;
  Budget budget_;
  int line_ = 0, depth_ = 0;
};

}  // namespace

std::string render(const std::vector<Statement>& statements,
                   const std::vector<std::pair<std::string, Value>>& variables,
                   const std::tm& now) {
  return Evaluator(variables, now).run(statements);
}

}  // namespace emend::text::jinja
