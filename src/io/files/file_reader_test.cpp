#include "io/files/file_reader.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "io/error.h"
#include "io/files/file.h"
#include "io/testing.h"

namespace emend {
namespace {

TEST(FileReader, ReadsRanges) {
  TemporaryFolder folder;
  auto path = folder.file("numbers");
  write_file(path, "0123456789");
  FileReader file(path);
  EXPECT_EQ(file.size(), 10u);
  EXPECT_EQ(file.read(0, 10), "0123456789");
  EXPECT_EQ(file.read(3, 4), "3456");
  EXPECT_EQ(file.read(10, 0), "");
  EXPECT_THROW(file.read(8, 3), Error);
  EXPECT_THROW(file.read(11, 0), Error);
  EXPECT_THROW(file.read(2, ~uint64_t{0}), Error);
  auto copy = file;
  EXPECT_EQ(copy.read(9, 1), "9");
}

TEST(FileReader, DetectsModifiedFiles) {
  TemporaryFolder folder;
  auto path = folder.file("numbers");
  write_file(path, "0123456789");
  FileReader before(path);
  write_file(path, "replaced");  // by renaming: the reader keeps the old file
  EXPECT_EQ(before.read(0, 3), "012");
  FileReader now(path);
  std::ofstream(path, std::ios::app) << "and more";
  EXPECT_THROW(now.read(0, 3), Error);
  FileReader cut(path);
  std::filesystem::resize_file(path, 2);
  EXPECT_THROW(cut.read(0, 5), Error);
}

TEST(FileReader, RefusesWhatIsNotARegularFile) {
  TemporaryFolder folder;
  EXPECT_THROW(FileReader(folder.file("absent")), Error);
  EXPECT_THROW(FileReader(folder.path()), Error);
  auto pipe = folder.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THROW(FileReader{pipe}, Error);
}

}  // namespace
}  // namespace emend
