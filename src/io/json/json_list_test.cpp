#include "io/json/json_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/error.h"
#include "io/files/file.h"
#include "io/testing.h"

namespace emend {
namespace {

class JsonListTest : public ::testing::Test {
 protected:
  std::vector<ListedJson> read(const std::string& text) {
    write_file(path_, text);
    return read_json_list(path_);
  }
  std::string refusal(const std::string& text) {
    try {
      read(text);
    } catch (const Error& error) {
      return error.what();
    }
    return "read";
  }
  TemporaryFolder folder_;
  std::string path_ = folder_.file("list.json");
};

TEST_F(JsonListTest, ReadsAnArray) {
  const auto list = read(" [{\"a\": 1},\n \"b\"]");
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].value["a"], 1);
  EXPECT_EQ(list[1].value, "b");
  EXPECT_THAT(list[1].where, ::testing::EndsWith("list.json (entry 2)"));
}

TEST_F(JsonListTest, ReadsJsonLines) {
  const auto list = read("{\"a\": 1}\r\n\n\"b\"");
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[1].value, "b");
  EXPECT_THAT(list[1].where, ::testing::EndsWith("list.json (line 3)"));
}

TEST_F(JsonListTest, RefusesOtherContent) {
  EXPECT_THAT(refusal(""), ::testing::HasSubstr("has no entries"));
  EXPECT_THAT(refusal("[]"), ::testing::HasSubstr("has no entries"));
  EXPECT_THAT(refusal("{\"a\": 1}\n{\"a\": "), ::testing::HasSubstr("line 2"));
  EXPECT_THAT(refusal("[1, 2"), ::testing::HasSubstr("list.json"));
}

}  // namespace
}  // namespace emend
