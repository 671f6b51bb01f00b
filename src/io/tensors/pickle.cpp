#include "io/tensors/pickle.h"

#include <fmt/format.h>

#include <cstring>
#include <unordered_map>

#include "io/error.h"

namespace emend {
namespace {

constexpr const char* kPicklePlace = "io::pickle";
// The largest real checkpoints (with optimizer state) have a tenth of these numbers.
constexpr size_t kMostValues = 4'000'000;
constexpr size_t kMaxPickleEntries = 16'000'000;  // references from lists, tuples and dicts

}  // namespace

// A virtual machine for the instructions of a pickle. It creates inert values only.
class Pickle::Reader {
 public:
  Reader(Pickle& pickle, std::string_view bytes, const std::string& path, const Allowed& allowed)
      : values_(pickle.values_),
        names_(pickle.names_),
        bytes_(bytes),
        path_(path),
        allowed_(allowed) {}

  Index run() {
    if (bytes_.size() < 2 || bytes_[0] != '\x80') fail("does not begin with a pickle");
    while (true) {
      const auto code = static_cast<uint8_t>(number(1));
      if (code == '.') {
        if (stack_.size() != 1 || !marks_.empty())
          fail("ends with more than one value on the stack");
        return stack_.back();
      }
      step(code);
    }
  }

  size_t position() const { return position_; }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(kPicklePlace,
                fmt::format("'{}' {} (byte {} of its pickle)", path_, problem, position_),
                "the file is damaged or not a torch checkpoint; fetch it again");
  }

  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - position_) fail("is truncated");
    auto piece = bytes_.substr(position_, count);
    position_ += count;
    return piece;
  }
  uint64_t number(int bytes) {
    const auto piece = take(static_cast<uint64_t>(bytes));
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(piece[i]);
    return value;
  }
  std::string_view line() {
    const auto end = bytes_.find('\n', position_);
    if (end == std::string_view::npos) fail("is truncated");
    auto text = take(end - position_);
    ++position_;
    return text;
  }

  Index make(Value value) {
    if (values_.size() >= kMostValues) fail("has too many values for a checkpoint");
    count(value.items.size());
    values_.push_back(std::move(value));
    return static_cast<Index>(values_.size() - 1);
  }
  void count(size_t more) {
    entries_ += more;
    if (entries_ > kMaxPickleEntries) fail("has too many entries for a checkpoint");
  }
  void push(Kind kind, std::vector<Index> items = {}) {
    Value value;
    value.kind = kind;
    value.items = std::move(items);
    push(make(std::move(value)));
  }
  void push(Index index) {
    if (stack_.size() >= kMostValues) fail("has too many values on its stack");
    stack_.push_back(index);
  }
  void push_text(Kind kind, std::string_view text) {
    Value value;
    value.kind = kind;
    value.text = text;
    push(make(std::move(value)));
  }

  // Values below a mark must not be popped.
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Index pop() {
    if (stack_.size() <= floor()) fail("pops a value from an empty stack");
    auto index = stack_.back();
    stack_.pop_back();
    return index;
  }
  Index top() const {
    if (stack_.size() <= floor()) fail("uses a value of an empty stack");
    return stack_.back();
  }
  std::vector<Index> pop_some(size_t count) {
    if (stack_.size() - floor() < count) fail("pops more values than the stack has");
    std::vector<Index> items(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return items;
  }
  std::vector<Index> pop_to_mark() {
    if (marks_.empty()) fail("has no mark where one is needed");
    auto items = pop_some(stack_.size() - marks_.back());
    marks_.pop_back();
    return items;
  }

  void put(std::vector<Index> items, std::initializer_list<Kind> into, const char* what) {
    auto& target = values_[top()];
    bool fits = target.kind == Kind::object;  // of a class derived from a container
    for (auto kind : into) fits |= target.kind == kind;
    if (!fits) fail(fmt::format("adds {} to a value that is not a container", what));
    count(items.size());
    target.items.insert(target.items.end(), items.begin(), items.end());
  }
  void put_pairs(std::vector<Index> items) {
    if (items.size() % 2) fail("has a key without a value");
    put(std::move(items), {Kind::dict}, "keys");
  }

  void global(std::string_view module, std::string_view name, std::string_view both) {
    if (!allowed_(module, name))
      throw Error(kPicklePlace,
                  fmt::format("'{}' refers to {}.{}, which a checkpoint does not need; refused",
                              path_, module.substr(0, 100), name.substr(0, 100)),
                  "a pickle can run any program, so emend reads only weights. If you trust the "
                  "file, save only its weights (a state_dict)");
    push_text(Kind::global, both);
  }

  void call() {
    auto parts = pop_some(2);
    if (values_[parts[0]].kind != Kind::global || values_[parts[1]].kind != Kind::tuple)
      fail("calls a value that is not a function or class");
    push(Kind::object, std::move(parts));
  }

  // Decodes a two's complement number.
  void integer(std::string_view bytes) {
    if (bytes.size() > 8) return push_text(Kind::large_integer, bytes);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size(); ++i)
      value |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
    if (!bytes.empty() && bytes.size() < 8 && static_cast<uint8_t>(bytes.back()) >= 0x80)
      value |= ~uint64_t{0} << (8 * bytes.size());
    push_integer(static_cast<int64_t>(value));
  }
  void push_integer(int64_t number, Kind kind = Kind::integer) {
    Value value;
    value.kind = kind;
    value.integer = number;
    push(make(std::move(value)));
  }

  void real() {
    const auto piece = take(8);
    uint64_t bits = 0;
    for (char c : piece) bits = bits << 8 | static_cast<uint8_t>(c);
    Value value;
    value.kind = Kind::real;
    std::memcpy(&value.real, &bits, 8);
    push(make(std::move(value)));
  }

  void remember(uint64_t slot) { memo_[slot] = top(); }
  void recall(uint64_t slot) {
    auto found = memo_.find(slot);
    if (found == memo_.end()) fail("refers to an undefined memo entry");
    push(found->second);
  }

  void step(uint8_t code);

  std::vector<Value>& values_;
  std::deque<std::string>& names_;
  std::string_view bytes_;
  const std::string& path_;
  const Allowed& allowed_;
  size_t position_ = 0, entries_ = 0;
  std::vector<Index> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Index> memo_;
};

// Opcodes as documented in Python's pickletools; those that protocols 2 to 4 write.
void Pickle::Reader::step(uint8_t code) {
  switch (code) {
    case 0x80:  // PROTO
      if (auto protocol = number(1); protocol < 2 || protocol > 4)
        fail(fmt::format("is a pickle of protocol {}; emend reads protocols 2 to 4", protocol));
      return;
    case 0x95:  // FRAME
      if (number(8) > bytes_.size() - position_) fail("is truncated");
      return;

    case 'N':
      return push(Kind::none);
    case 0x88:
      return push_integer(1, Kind::boolean);
    case 0x89:
      return push_integer(0, Kind::boolean);
    case 'K':
      return push_integer(static_cast<int64_t>(number(1)));
    case 'M':
      return push_integer(static_cast<int64_t>(number(2)));
    case 'J':
      return push_integer(static_cast<int32_t>(number(4)));
    case 0x8a:  // LONG1
      return integer(take(number(1)));
    case 0x8b:  // LONG4
      return integer(take(number(4)));
    case 'G':
      return real();
    case 0x8c:
      return push_text(Kind::text, take(number(1)));
    case 'X':
      return push_text(Kind::text, take(number(4)));
    case 0x8d:
      return push_text(Kind::text, take(number(8)));
    // Python 2 writes its strings, including keys, with these two.
    case 'U':
      return push_text(Kind::text, take(number(1)));
    case 'T':
      return push_text(Kind::text, take(number(4)));
    case 'C':
      return push_text(Kind::bytes, take(number(1)));
    case 'B':
      return push_text(Kind::bytes, take(number(4)));
    case 0x8e:
      return push_text(Kind::bytes, take(number(8)));

    case '(':
      if (marks_.size() >= kMostValues) fail("has too many marks");
      marks_.push_back(stack_.size());
      return;
    case '0':
      if (stack_.size() == floor() && !marks_.empty())
        marks_.pop_back();
      else
        pop();
      return;
    case '1':
      pop_to_mark();
      return;
    case '2':
      return push(top());

    case ']':
      return push(Kind::list);
    case '}':
      return push(Kind::dict);
    case 0x8f:
      return push(Kind::set);
    case ')':
      return push(Kind::tuple);
    case 0x85:
    case 0x86:
    case 0x87:
      return push(Kind::tuple, pop_some(code - size_t{0x84}));
    case 't':
      return push(Kind::tuple, pop_to_mark());
    case 'l':
      return push(Kind::list, pop_to_mark());
    case 0x91:  // FROZENSET
      return push(Kind::set, pop_to_mark());
    case 'd': {
      auto items = pop_to_mark();
      push(Kind::dict);
      return put_pairs(std::move(items));
    }
    case 'a':
      return put(pop_some(1), {Kind::list}, "values");
    case 'e':
      return put(pop_to_mark(), {Kind::list}, "values");
    case 0x90:  // ADDITEMS
      return put(pop_to_mark(), {Kind::set}, "values");
    case 's':
      return put_pairs(pop_some(2));
    case 'u':
      return put_pairs(pop_to_mark());

    case 'q':
      return remember(number(1));
    case 'r':
      return remember(number(4));
    case 0x94:  // MEMOIZE
      return remember(memo_.size());
    case 'h':
      return recall(number(1));
    case 'j':
      return recall(number(4));

    case 'c': {
      const auto begin = position_;
      const auto module = line(), name = line();
      return global(module, name, bytes_.substr(begin, position_ - begin - 1));
    }
    case 0x93: {  // STACK_GLOBAL
      auto parts = pop_some(2);
      const auto &module = values_[parts[0]], &name = values_[parts[1]];
      if (module.kind != Kind::text || name.kind != Kind::text)
        fail("has a module or name that is not a string");
      names_.push_back(fmt::format("{}\n{}", module.text, name.text));
      return global(module.text, name.text, names_.back());
    }
    case 'R':   // REDUCE
    case 0x81:  // NEWOBJ
      return call();
    case 0x92:  // NEWOBJ_EX: keyword arguments belong to classes that emend does not build
      pop();
      return call();
    case 'b':  // BUILD: the fields of an object are not used
      pop();
      if (values_[top()].kind != Kind::object) fail("sets fields of a value that is not an object");
      return;
    case 'Q':
      return push(Kind::persistent, pop_some(1));
    default:
      --position_;
      fail(fmt::format("has the opcode 0x{:02x}, which torch does not write", code));
  }
}

Pickle::Pickle(std::string_view bytes, const std::string& path, const Allowed& allowed) {
  Reader reader(*this, bytes, path, allowed);
  root_ = reader.run();
  size_ = reader.position();
}

std::string Pickle::name(Index index) const {
  const auto* value = &values_[index];
  if (value->kind == Kind::object) value = &values_[value->items[0]];
  if (value->kind != Kind::global) return {};
  std::string name(value->text);
  name[name.find('\n')] = '.';
  return name;
}

}  // namespace emend
