#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

// Parses a Python pickle into inert data. Nothing that it names is looked up, imported or called:
// "call f with these arguments" becomes an `object` value. Values refer to each other by index, so
// that deep nesting is safe and shared values are stored once. Strings are views of the input
// bytes.
class Pickle {
 public:
  using Index = uint32_t;
  enum class Kind : uint8_t {
    none,
    boolean,
    integer,
    large_integer,  // beyond 64 bits; `text` has its little-endian bytes
    real,
    text,
    bytes,
    list,
    tuple,
    set,
    dict,        // `items` are key, value, key, value, ...
    global,      // `text`: module and name with one line break between them, `torch\nSize`
    object,      // `items`: the callable, its arguments (a tuple), then what was added to it
    persistent,  // `items`: the ID of data that is stored outside of the pickle
  };
  struct Value {
    Kind kind = Kind::none;
    int64_t integer = 0;
    double real = 0;
    std::string_view text;
    std::vector<Index> items;
  };
  // Whether a pickle may name `name` of `module`. Other names are refused.
  using Allowed = std::function<bool(std::string_view module, std::string_view name)>;

  // Reads one pickle of protocol 2 to 4 from the beginning of `bytes`, which must outlive this
  // object. Throws emend::Error, which names `path`, if the pickle is damaged, too large, or names
  // something that is not allowed.
  Pickle(std::string_view bytes, const std::string& path, const Allowed& allowed);

  Index root() const { return root_; }
  Index count() const { return static_cast<Index>(values_.size()); }
  const Value& at(Index index) const { return values_[index]; }
  const Value& top() const { return values_[root_]; }
  size_t size() const { return size_; }  // bytes of the pickle
  // `torch.Size`, for a global or the class of an object; empty for other values.
  std::string name(Index index) const;

 private:
  class Reader;
  std::vector<Value> values_;
  std::deque<std::string> names_;  // names that are not contiguous in the bytes
  Index root_ = 0;
  size_t size_ = 0;
};

}  // namespace emend
