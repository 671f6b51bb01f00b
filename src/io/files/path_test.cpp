#include "io/files/path.h"

#include <gtest/gtest.h>

#include <string>

#include "io/error.h"
#include "io/files/file.h"
#include "io/testing.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

TEST(Path, DistinguishesFilesAndFolders) {
  TemporaryFolder folder;
  write_file(folder.file("a"), "x");
  EXPECT_TRUE(path_exists(folder.file("a")));
  EXPECT_TRUE(is_file(folder.file("a")));
  EXPECT_FALSE(is_folder(folder.file("a")));
  EXPECT_TRUE(path_exists(folder.path()));
  EXPECT_TRUE(is_folder(folder.path()));
  EXPECT_FALSE(is_file(folder.path()));
  EXPECT_FALSE(path_exists(folder.file("b")));
}

TEST(Path, InaccessiblePathsDoNotExist) {
  TemporaryFolder folder;
  fs::create_symlink(folder.file("loop"), folder.file("loop"));
  write_file(folder.file("a"), "x");
  for (const auto& path :
       {std::string(5000, 'a'), folder.file(std::string(300, 'a')), folder.file("loop"),
        folder.file("loop/x"), folder.file("a/x"), std::string()}) {
    EXPECT_FALSE(path_exists(path)) << path;
    EXPECT_FALSE(is_file(path)) << path;
    EXPECT_FALSE(is_folder(path)) << path;
  }
}

TEST(Path, CreatesFoldersOrThrowsEmendError) {
  TemporaryFolder folder;
  make_folders(folder.file("b/c/d"));
  make_folders(folder.file("b/c/d"));
  EXPECT_TRUE(is_folder(folder.file("b/c/d")));
  write_file(folder.file("a"), "x");
  for (const auto& path : {folder.file("a"), folder.file("a/b"), folder.file(std::string(300, 'a')),
                           std::string(5000, 'a'), std::string()})
    EXPECT_THROW(make_folders(path), Error) << path;
}

}  // namespace
}  // namespace emend
