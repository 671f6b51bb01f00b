#include "io/files/atomic_directory.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "io/error.h"
#include "io/files/file.h"
#include "io/testing.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

TEST(AtomicDirectory, AppearsCompleteOrNotAtAll) {
  TemporaryFolder root;
  {
    AtomicDirectory folder(root.file("a"));
    write_file(folder.file("x"), "1");
    fs::create_directory(folder.file("sub"));
    EXPECT_FALSE(fs::exists(root.file("a")));
  }
  EXPECT_EQ("", root.listing());
  {
    AtomicDirectory folder(root.file("a/"));
    write_file(folder.file("x"), "2");
    folder.commit();
  }
  EXPECT_EQ("a ", root.listing());
  EXPECT_EQ("2", read_file(root.file("a/x")));
}

TEST(AtomicDirectory, OverwritesNothing) {
  TemporaryFolder root;
  fs::create_directory(root.file("empty"));
  {
    AtomicDirectory folder(root.file("empty"));
    write_file(folder.file("x"), "1");
    folder.commit();
  }
  EXPECT_EQ("1", read_file(root.file("empty/x")));
  for (const char* name : {"empty", "empty/x", "none/a", ""})
    EXPECT_THROW(AtomicDirectory(std::string(name).empty() ? name : root.file(name)), Error)
        << name;

  // Another program has filled the folder in the meantime.
  AtomicDirectory folder(root.file("b"));
  fs::create_directory(root.file("b"));
  write_file(root.file("b/y"), "theirs");
  EXPECT_THROW(folder.commit(), Error);
  EXPECT_EQ("theirs", read_file(root.file("b/y")));
}

}  // namespace
}  // namespace emend
