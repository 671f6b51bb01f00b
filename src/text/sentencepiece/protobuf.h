#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace emend::text {

// The fields of one message in Protocol Buffers' wire format, in the order of the file:
//   for (Fields fields(bytes, name); fields.next();) switch (fields.number()) ...
// Everything throws emend::Error naming `name` when the bytes end early, are of a kind that is not
// known (groups), or are not of the type that is asked for.
class Fields {
 public:
  Fields(std::string_view bytes, std::string name) : rest_(bytes), name_(std::move(name)) {}

  bool next();  // false: there are no more
  uint32_t number() const { return number_; }
  uint64_t integer() const;
  bool boolean() const { return integer() != 0; }
  float real() const;
  std::string_view bytes() const;  // also strings and messages

 private:
  enum class Kind { integer, fixed64, bytes, fixed32 };
  void need(Kind kind, const char* what) const;
  [[noreturn]] void fail(const std::string& problem) const;
  uint64_t varint();
  std::string_view take(uint64_t size);

  std::string_view rest_;
  std::string name_;
  uint32_t number_ = 0;
  Kind kind_ = Kind::integer;
  uint64_t integer_ = 0;
  std::string_view bytes_;
};

}  // namespace emend::text
