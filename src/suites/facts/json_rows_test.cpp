#include "suites/facts/json_rows.h"

#include <gtest/gtest.h>

#include "io/error.h"
#include "io/files/file.h"
#include "io/hash.h"
#include "io/testing.h"

namespace emend {
namespace {

class JsonRowsTest : public testing::Test {
 protected:
  JsonRows open(const std::string& text) {
    write_file(path_, text);
    return JsonRows(path_);
  }
  std::string error(const std::string& text) {
    try {
      auto rows = open(text);
      for (size_t i = 0; i < rows.size(); ++i) rows.row(i);
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.file("rows.json");
};

TEST_F(JsonRowsTest, FindsObjectsWithAnyContent) {
  EXPECT_EQ(open("[]").size(), 0u);
  EXPECT_EQ(open(" \n[ \t]\r\n ").size(), 0u);
  const std::string text = R"([{"a": "}], [{ \" \\", "b": [{}, [1, {"c": "]"}]]} ,)"
                           "\n  {},{\"\\\\\": \"\\\\\"}\n, {\"d\":\n\"\xc3\xa9\"}]";
  auto rows = open(text);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows.hash(), hash_hex(text));
  EXPECT_EQ(rows.row(0).at("a"), R"(}], [{ " \)");
  EXPECT_EQ(rows.row(0).at("b").size(), 2u);
  EXPECT_TRUE(rows.row(1).empty());
  EXPECT_EQ(rows.row(2).at("\\"), "\\");
  EXPECT_EQ(rows.row(3).at("d"), "\xc3\xa9");
  EXPECT_EQ(rows.where(3), path_ + " (row 3)");
  EXPECT_EQ(nlohmann::json::parse(text).at(0), rows.row(0));
  auto marked = open("\xef\xbb\xbf[{\"a\": 1}]");
  ASSERT_EQ(marked.size(), 1u);
  EXPECT_EQ(marked.row(0).at("a"), 1);
}

TEST_F(JsonRowsTest, RowsMaySpanSeveralPieces) {
  // A piece has 1 MiB: quotes, escapes and brackets are on both sides of several boundaries.
  nlohmann::json all = nlohmann::json::array();
  for (int i = 0; i < 40; ++i) {
    std::string filling;
    for (int j = 0; j < 9000 + 13 * i; ++j) filling += "}\\\"[" + std::to_string(j % 7);
    all.push_back({{"i", i}, {"text", filling}});
  }
  auto text = all.dump();
  ASSERT_GT(text.size(), size_t{2} << 20);
  auto rows = open(text);
  ASSERT_EQ(rows.size(), all.size());
  for (size_t i = 0; i < all.size(); ++i) ASSERT_EQ(rows.row(i), all[i]);
}

TEST_F(JsonRowsTest, RefusesOtherFilesWithThePlace) {
  EXPECT_NE(error("").find("is empty"), std::string::npos);
  EXPECT_NE(error(" \n ").find("is empty"), std::string::npos);
  for (const char* text : {"{\"a\": 1}",
                           "[{}",
                           "[{},",
                           "[{},]",
                           "[,{}]",
                           "[{}{}]",
                           "[{}]]",
                           "[{}] x",
                           "[1]",
                           "[\"a\"]",
                           "[null]",
                           "[[]]",
                           "[{}, 2]",
                           "[{]]",
                           "[{\"a\": 1]",
                           "[{\"a]",
                           "[{\"a\": 1, \"a\": 2}]",
                           "[{a: 1}]",
                           "[{\"a\": '1'}]",
                           "[{\"a\": NaN}]",
                           "[{\"a\": \"\xff\"}]",
                           "null",
                           "\"[{}]\"",
                           "\xef\xbb[]"})
    EXPECT_NE(error(text).find(path_), std::string::npos) << text << ": " << error(text);
  EXPECT_NE(error("[\n{},\n\n{}\n{}]").find("in line 5"), std::string::npos);
  EXPECT_NE(error("[\n{},\n{\"a\": \"\n").find("in line 4"), std::string::npos);
  EXPECT_NE(error("[{}, {\"a\": tru}]").find("(row 1)"), std::string::npos);
  EXPECT_THROW(JsonRows(folder_.file("absent.json")), Error);
  EXPECT_THROW(JsonRows(folder_.path()), Error);
}

TEST_F(JsonRowsTest, RefusesRowsThatAreTooLarge) {
  std::string large = "[{\"a\": \"" + std::string(JsonRows::kLargestRow + 10, 'x') + "\"}]";
  EXPECT_NE(error(large).find("more than 16 MB"), std::string::npos);
}

TEST_F(JsonRowsTest, RowsDoNotChangeWhenTheFileIsReplaced) {
  auto rows = open("[{\"a\": 1}]");
  write_file(path_, "[{\"b\": 22}]");  // another file under the same name
  EXPECT_EQ(rows.row(0).at("a"), 1);
}

}  // namespace
}  // namespace emend
