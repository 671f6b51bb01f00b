#include "io/files/writable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "io/error.h"
#include "io/files/file.h"
#include "io/testing.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

bool is_empty_folder(const std::string& path) {
  return fs::directory_iterator(path) == fs::directory_iterator();
}

TEST(Writable, AcceptsWhatCanBeWrittenAndLeavesNothing) {
  TemporaryFolder folder;
  EXPECT_EQ(error_of([&] { check_writable_file(folder.file("new")); }), "no error");
  EXPECT_EQ(error_of([&] { check_writable_folder(folder.path()); }), "no error");
  EXPECT_EQ(error_of([&] { check_writable_folder(folder.file("a/b/c")); }), "no error");
  EXPECT_EQ(error_of([&] { check_writable_folder(folder.file("a/b/")); }), "no error");
  EXPECT_TRUE(is_empty_folder(folder.path()));
  write_file(folder.file("old"), "x");
  EXPECT_EQ(error_of([&] { check_writable_file(folder.file("old")); }), "no error");
  EXPECT_EQ(read_file(folder.file("old")), "x");
}

TEST(Writable, RefusesWhatCannotBeWritten) {
  TemporaryFolder folder;
  const std::string name(300, 'a');
  EXPECT_THAT(error_of([&] { check_writable_file(folder.file(name)); }),
              AllOf(HasSubstr("too long"), HasSubstr("shorter name")));
  EXPECT_THAT(error_of([&] { check_writable_folder(folder.file("b/" + name)); }),
              HasSubstr("too long"));
  EXPECT_TRUE(is_empty_folder(folder.path()));
  EXPECT_THAT(error_of([] { check_writable_file("/proc/x.patch"); }),
              AllOf(HasSubstr("/proc/x.patch"), HasSubstr("another folder")));
  EXPECT_THAT(error_of([] { check_writable_folder("/proc/runs"); }), HasSubstr("/proc/runs"));
  EXPECT_THAT(error_of([] { check_writable_folder("/proc"); }), HasSubstr("/proc/emend"));
  write_file(folder.file("file"), "x");
  EXPECT_THAT(error_of([&] { check_writable_folder(folder.file("file")); }), HasSubstr("file"));
  EXPECT_THAT(error_of([&] { check_writable_folder(folder.file("file/x")); }), HasSubstr("file/x"));
  EXPECT_THAT(error_of([&] { check_writable_file(folder.path()); }), HasSubstr("not a regular"));
  EXPECT_NE(error_of([] { check_writable_folder(""); }), "no error");
  EXPECT_NE(error_of([] { check_writable_file(""); }), "no error");
}

}  // namespace
}  // namespace emend
