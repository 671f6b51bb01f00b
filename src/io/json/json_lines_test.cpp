#include "io/json/json_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/error.h"
#include "io/files/file.h"
#include "io/testing.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

std::vector<nlohmann::json> all_of(JsonLines& lines) {
  std::vector<nlohmann::json> values;
  for (nlohmann::json value; lines.next(value);) values.push_back(value);
  return values;
}

TEST(JsonLines, KeepsAppendedLines) {
  TemporaryFolder folder;
  auto path = folder.file("a.jsonl");
  {
    JsonLines lines(path);
    EXPECT_EQ(lines.size(), 0u);
    nlohmann::json none;
    EXPECT_FALSE(lines.next(none));
    lines.append({{"a", 0.1}});
    lines.append("two\nlines");
    EXPECT_FALSE(lines.next(none));  // only lines that existed before
  }
  JsonLines lines(path);
  EXPECT_EQ(lines.size(), 2u);
  EXPECT_EQ(all_of(lines), (std::vector<nlohmann::json>{{{"a", 0.1}}, "two\nlines"}));
  lines.append(3);
  EXPECT_EQ(read_file(path), "{\"a\":0.1}\n\"two\\nlines\"\n3\n");
}

TEST(JsonLines, ResumesAfterTheLastCompleteLine) {
  TemporaryFolder folder;
  auto path = folder.file("a.jsonl");
  const std::string whole = "{\"a\":1}\n[2]\n\"three\"\n";
  for (size_t cut = 0; cut <= whole.size(); ++cut) {
    write_file(path, whole.substr(0, cut));
    JsonLines lines(path);
    auto values = all_of(lines);
    EXPECT_EQ(values.size(), lines.size());
    auto end = cut == 0 ? std::string::npos : whole.rfind('\n', cut - 1);
    auto kept = end == std::string::npos ? "" : whole.substr(0, end + 1);
    lines.append(4);
    EXPECT_EQ(read_file(path), kept + "4\n") << cut;
  }
}

TEST(JsonLines, ReadsLinesLongerThanItsBuffer) {
  TemporaryFolder folder;
  std::string text(200000, 'x');
  {
    JsonLines lines(folder.file("a"));
    lines.append(text);
    lines.append(text + "y");
  }
  write_file(folder.file("b"), read_file(folder.file("a")) + text);
  JsonLines lines(folder.file("b"));
  EXPECT_EQ(all_of(lines), (std::vector<nlohmann::json>{text, text + "y"}));
}

TEST(JsonLines, NamesTheDamagedLine) {
  TemporaryFolder folder;
  write_file(folder.file("a"), "1\n{\"a\":\n2\n");
  JsonLines lines(folder.file("a"));
  nlohmann::json value;
  EXPECT_TRUE(lines.next(value));
  try {
    lines.next(value);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("line 2"));
  }
}

TEST(JsonLines, AllowsOneWriterAtATime) {
  TemporaryFolder folder;
  JsonLines first(folder.file("a"));
  EXPECT_THROW(JsonLines(folder.file("a")), Error);
  EXPECT_THROW(JsonLines(folder.file("none/a")), Error);
}

TEST(JsonLines, FullDiskLeavesCompleteLines) {
  TemporaryFolder folder;
  JsonLines lines(folder.file("a"));
  lines.append(1);
  {
    FullDisk full(100);
    EXPECT_THROW(lines.append(std::string(500, 'x')), Error);
  }
  EXPECT_EQ(read_file(folder.file("a")), "1\n");
  lines.append(2);
  EXPECT_EQ(read_file(folder.file("a")), "1\n2\n");
}

TEST(JsonLines, RefusesBytesAfterANul) {
  TemporaryFolder folder;
  write_file(folder.file("a"), std::string("1\n2\0x\n", 7));
  JsonLines lines(folder.file("a"));
  nlohmann::json value;
  EXPECT_TRUE(lines.next(value));
  EXPECT_THROW(lines.next(value), Error);
}

TEST(JsonLines, ReplacesInvalidUtf8) {
  TemporaryFolder folder;
  {
    JsonLines lines(folder.file("a"));
    lines.append("a\xff");
  }
  JsonLines lines(folder.file("a"));
  EXPECT_EQ(all_of(lines).at(0), "a\xef\xbf\xbd");
}

}  // namespace
}  // namespace emend
