#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

// A Python pickle taken apart into inert data. Nothing that it names is looked up, imported or
// called: "call f with these arguments" becomes an `object` that says so, for the caller to read.
// Values refer to each other by index, so that no nesting is too deep and shared values are there
// once. Strings are views of the bytes.
class Pickle {
 public:
  using Index = uint32_t;
  enum class Kind : uint8_t {
    none,
    boolean,
    integer,
    large_integer,  // outside of 64 bits; `text` has its little-endian bytes
    real,
    text,
    bytes,
    list,
    tuple,
    set,
    dict,        // `items` are key, value, key, value, ...
    global,      // `text`: module and name with one line break between them, `torch\nSize`
    object,      // `items`: what is called, its arguments (a tuple), then what was put into it
    persistent,  // `items`: the id of something that is stored outside of the pickle
  };
  struct Value {
    Kind kind = Kind::none;
    int64_t integer = 0;
    double real = 0;
    std::string_view text;
    std::vector<Index> items;
  };
  // Whether a pickle may name this module and this name in it. What it may not is refused.
  using Allowed = std::function<bool(std::string_view module, std::string_view name)>;

  // Reads one pickle of protocol 2 to 4 from the beginning of `bytes`, which must outlive this.
  // Throws emend::Error, which names `path`, for what is damaged, not allowed, or absurdly large.
  Pickle(std::string_view bytes, const std::string& path, const Allowed& allowed);

  Index root() const { return root_; }
  Index count() const { return static_cast<Index>(values_.size()); }
  const Value& at(Index index) const { return values_[index]; }
  const Value& top() const { return values_[root_]; }
  size_t size() const { return size_; }  // how many of the bytes it took
  // `torch.Size`: of a global, or of the class of an object; empty for others.
  std::string name(Index index) const;

 private:
  class Reader;
  std::vector<Value> values_;
  std::deque<std::string> names_;  // that the bytes do not have in one piece
  Index root_ = 0;
  size_t size_ = 0;
};

}  // namespace emend
