#include "text/sentencepiece/protobuf.h"

#include <gtest/gtest.h>

#include "text/testing/messages.h"

namespace emend::text {
namespace {

using std::string_literals::operator""s;

// The fields of a message: its number and its value.
std::string read_fields(const std::string& bytes) {
  std::string shown;
  for (Fields fields(bytes, "m"); fields.next();)
    shown += std::to_string(fields.number()) + "=" + std::to_string(fields.integer()) + " ";
  return shown;
}

// What reading the first field as a type gives, or the problem.
template <class Read>
std::string first_field(const std::string& bytes, Read read) {
  std::string shown;
  const auto problem = error_of([&] {
    Fields fields(bytes, "m");
    fields.next();
    shown = fmt::format("{}", read(fields));
  });
  return problem == "no error" ? shown : problem;
}
std::string damage(const std::string& problem) {
  return "[text::protobuf] 'm' is damaged: " + problem + ". Hint: fetch the file again";
}
const auto kBytes = [](const Fields& fields) { return fields.bytes(); };
const auto kReal = [](const Fields& fields) { return fields.real(); };
const auto kInteger = [](const Fields& fields) { return fields.integer(); };

TEST(Protobuf, ReadsIntegers) {
  // The examples of the documentation of Protocol Buffers: 150 is 96 01.
  EXPECT_EQ(read_fields("\x08\x96\x01"), "1=150 ");
  EXPECT_EQ(read_fields("\x08\x00\x10\x01"s), "1=0 2=1 ");
  EXPECT_EQ(read_fields("\x98\x02\x01"), "35=1 ");  // a tag of two bytes
  EXPECT_EQ(read_fields("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "1=18446744073709551615 ");
  EXPECT_EQ(read_fields(""), "");
}

TEST(Protobuf, ReadsStringsAndMessages) {
  EXPECT_EQ(first_field("\x12\x07testing", kBytes), "testing");
  EXPECT_EQ(first_field("\x12\x00"s, kBytes), "");
}

TEST(Protobuf, ReadsFloats) {
  EXPECT_EQ(first_field("\x15\x00\x00\x80\x3f"s, kReal), "1");
  EXPECT_EQ(first_field("\x15\x00\x00\x20\xc1"s, kReal), "-10");
}

TEST(Protobuf, ReadsBooleans) {
  const auto boolean = [](const Fields& fields) { return fields.boolean(); };
  EXPECT_EQ(first_field("\x08\x00"s, boolean), "false");
  EXPECT_EQ(first_field("\x08\x02", boolean), "true");
}

TEST(Protobuf, SkipsFieldsOfEveryType) {
  Fields fields(
      "\x09"
      "12345678"
      "\x15"
      "1234"
      "\x1a\x01x"
      "\x20\x05",
      "m");
  std::vector<uint32_t> numbers;
  while (fields.next()) numbers.push_back(fields.number());
  EXPECT_EQ(numbers, (std::vector<uint32_t>{1, 2, 3, 4}));
  EXPECT_EQ(fields.integer(), 5u);
}

TEST(Protobuf, NamesTheWrongType) {
  EXPECT_EQ(first_field("\x08\x01", kBytes), damage("field 1 should be bytes"));
  EXPECT_EQ(first_field("\x08\x01", kReal), damage("field 1 should be a float"));
  EXPECT_EQ(first_field("\x12\x01x", kInteger), damage("field 2 should be an integer"));
  EXPECT_EQ(first_field("\x09"
                        "12345678",
                        kReal),
            damage("field 1 should be a float"));
}

TEST(Protobuf, NamesTheDamage) {
  EXPECT_EQ(first_field("\x12\x07test", kBytes), damage("3 bytes are missing at its end"));
  EXPECT_EQ(first_field("\x15"
                        "123",
                        kReal),
            damage("1 bytes are missing at its end"));
  EXPECT_EQ(first_field("\x08", kInteger), damage("1 bytes are missing at its end"));
  EXPECT_EQ(first_field("\x0b", kBytes), damage("field 1 has the wire type 3"));
  EXPECT_EQ(first_field("\x00"s, kBytes), damage("a field has the tag 0"));
  EXPECT_EQ(first_field("\x08" + std::string(11, '\xff'), kInteger),
            damage("a number has more than ten bytes"));
}

}  // namespace
}  // namespace emend::text
