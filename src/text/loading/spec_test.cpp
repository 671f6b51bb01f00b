#include "text/loading/spec.h"

#include <gtest/gtest.h>

#include "text/testing/messages.h"

namespace emend::text {
namespace {

using nlohmann::json;

const json kSpec = {{"type", "NFC"},      {"yes", true}, {"text", "a"}, {"list", {1}},
                    {"nothing", nullptr}, {"one", "é"},  {"two", "ab"}, {"object", {{"a", 1}}},
                    {"count", 3},         {"empty", ""}};

TEST(Spec, ReadsFieldsOfTheirTypes) {
  EXPECT_EQ(spec_type(kSpec, "w"), "NFC");
  EXPECT_EQ(spec_string(kSpec, "text", "w"), "a");
  EXPECT_EQ(spec_array(kSpec, "list", "w"), json::array({1}));
  EXPECT_EQ(spec_object(kSpec, "object", "w"), json({{"a", 1}}));
  EXPECT_EQ(spec_count(kSpec, "count", "w"), 3);
  EXPECT_EQ(read_character(kSpec, "one", "w"), "é");
}

TEST(Spec, GivesDefaultsOfBooleans) {
  EXPECT_TRUE(spec_bool(kSpec, "yes", false, "w"));
  EXPECT_TRUE(spec_bool(kSpec, "nothing", true, "w"));
  EXPECT_FALSE(spec_bool(kSpec, "absent", false, "w"));
}

TEST(Spec, TakesAbsentFieldsForNull) {
  EXPECT_EQ(spec_field(kSpec, "text"), "a");
  EXPECT_TRUE(spec_field(kSpec, "absent").is_null());
  EXPECT_TRUE(spec_field(json::array(), "text").is_null());
  EXPECT_TRUE(spec_field(nullptr, "text").is_null());
}

TEST(Spec, NamesTheFieldWithTheWrongType) {
  const auto problem = [](const std::function<void()>& read, const char* text) {
    EXPECT_EQ(error_of(read), malformed_message("w", text));
  };
  problem([] { spec_string(kSpec, "yes", "w"); }, "'yes' should be a string, not boolean");
  problem([] { spec_type(json::object(), "w"); }, "'type' should be a string, not null");
  problem([] { spec_bool(kSpec, "text", true, "w"); },
          "'text' should be true or false, not string");
  problem([] { spec_array(kSpec, "object", "w"); }, "'object' should be a list, not object");
  problem([] { spec_object(kSpec, "list", "w"); }, "'list' should be an object, not array");
  problem([] { read_character(kSpec, "two", "w"); }, "'two' should be one character, not 'ab'");
  problem([] { read_character(kSpec, "empty", "w"); }, "'empty' should be one character, not ''");
  problem([] { spec_count(kSpec, "text", "w"); }, "'text' should be an integer of at least 0");
  problem([] { spec_count(kSpec, "absent", "w"); }, "'absent' should be an integer of at least 0");
}

TEST(Spec, ReadsIdsOfAtMost31Bits) {
  EXPECT_EQ(to_id(0, "a", "w"), 0);
  EXPECT_EQ(to_id(2147483647, "a", "w"), 2147483647);
  for (const json& id : {json(-1), json(2147483648), json(1.0), json("1"), json(nullptr)})
    EXPECT_EQ(error_of([&] { to_id(id, "a", "w"); }),
              malformed_message("w", "the ID of 'a' should be an integer of at least 0"))
        << id;
}

TEST(Spec, NamesWhatIsNotImplemented) {
  EXPECT_EQ(error_of([] { not_implemented("normalizer", "NFKC"); }),
            not_implemented_message("normalizer", "NFKC"));
}

}  // namespace
}  // namespace emend::text
