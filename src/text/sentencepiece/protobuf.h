#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace emend::text {

// Iterates over the fields of a message in the Protocol Buffers wire format, in file order:
//   for (Fields fields(bytes, name); fields.next();) switch (fields.number()) ...
// All functions throw emend::Error that names `name` if the bytes end early, have an unknown wire
// type (groups), or do not have the requested type.
class Fields {
 public:
  Fields(std::string_view bytes, std::string name) : rest_(bytes), name_(std::move(name)) {}

  bool next();  // false at the end
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
