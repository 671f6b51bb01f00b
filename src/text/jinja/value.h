#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "text/jinja/budget.h"

namespace emend::text::jinja {

class Value;
struct List;
struct Map;
struct Statement;
using Namespace = std::map<std::string, Value>;

// A value of an expression: Python's types, as far as chat templates need them. Copying is cheap.
// Only namespaces are mutable.
class Value {
 public:
  struct Undefined {
    std::string name;  // for errors
  };
  struct None {};
  // A function of library.h, or a macro of the template, which must outlive the value.
  struct Function {
    std::string name;
    const Statement* macro = nullptr;
  };

  Value() : data_(None()) {}
  explicit Value(bool value) : data_(value) {}
  explicit Value(int64_t value) : data_(value) {}
  explicit Value(double value) : data_(value) {}
  explicit Value(std::string text) : data_(std::make_shared<const std::string>(std::move(text))) {}
  static Value undefined(std::string name) { return Value(Undefined{std::move(name)}); }
  // These refuse namespaces as items, and nesting deeper than 100. `lazy`: a generator in Python,
  // which is true, has no length, and can be iterated once.
  static Value list(std::vector<Value> items, bool lazy = false);
  static Value map(std::vector<std::pair<std::string, Value>> entries);
  static Value function(std::string name, const Statement* macro = nullptr) {
    return Value(Function{std::move(name), macro});
  }
  static Value new_namespace() { return Value(std::make_shared<Namespace>()); }
  static Value from_json(const nlohmann::ordered_json& json, int depth = 0);

  bool is_undefined() const { return holds<Undefined>(); }
  bool is_none() const { return holds<None>(); }
  // Null if the value has another type.
  const Undefined* undefined() const { return std::get_if<Undefined>(&data_); }
  const bool* boolean() const { return std::get_if<bool>(&data_); }
  const int64_t* integer() const { return std::get_if<int64_t>(&data_); }
  const double* real() const { return std::get_if<double>(&data_); }
  const Function* function() const { return std::get_if<Function>(&data_); }
  const std::string* string() const;
  const List* list() const;
  const Map* map() const;
  Namespace* names() const;

  const char* kind() const;  // "a list", for errors
  bool truth() const;
  int depth() const;  // 0 if it has no items

  // True and False count as 1 and 0.
  bool is_number() const { return boolean() || integer() || real(); }
  bool is_whole() const { return boolean() || integer(); }
  int64_t whole() const;
  double number() const;

 private:
  template <typename T>
  explicit Value(T data) : data_(std::move(data)) {}
  template <typename T>
  bool holds() const {
    return std::holds_alternative<T>(data_);
  }

  std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const List>, std::shared_ptr<const Map>, std::shared_ptr<Namespace>,
               Function>
      data_;
};

struct List {
  std::vector<Value> items;
  bool lazy = false;
  mutable bool used = false;  // a generator that was iterated
  int depth = 1;
};

struct Map {
  std::vector<std::pair<std::string, Value>> entries;  // in the order of the input
  int depth = 1;
  const Value* find(std::string_view key) const;
};

bool equal(const Value& a, const Value& b, Budget& budget);
// Negative, zero or positive; only numbers and strings can be ordered.
int compare(const Value& a, const Value& b);
bool contains(const Value& collection, const Value& item, Budget& budget);

// Python's str. Lists and mappings are refused, because their Python notation is not implemented.
std::string to_text(const Value& value);
// Python's json.dumps(value, ensure_ascii=False, indent=indent); indent -1: None.
std::string to_json(const Value& value, int indent, Budget& budget);

// The values that a for loop iterates over: items, keys, or characters. Empty for undefined.
std::vector<Value> items_of(const Value& value, Budget& budget);
// The characters of valid UTF-8.
std::vector<std::string_view> characters(std::string_view text);

}  // namespace emend::text::jinja
