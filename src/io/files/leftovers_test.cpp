#include "io/files/leftovers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <vector>

#include "io/files/atomic_directory.h"
#include "io/files/file.h"
#include "io/files/path.h"
#include "io/testing.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// Runs `work` in a child process, which is then killed. Returns the ID of that process.
template <typename Work>
pid_t killed(Work work) {
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  return child;
}

pid_t dead_process() {
  return killed([] { ::raise(SIGKILL); });
}

TEST(Leftovers, TheNextWriterRemovesFilesOfAKilledOne) {
  TemporaryFolder folder;
  killed([&] {
    AtomicFile file(folder.file("a"));
    file.write("half");
    ::raise(SIGKILL);
  });
  killed([&] {
    AtomicDirectory made(folder.file("b"));
    write_file(made.file("x"), "half");
    ::raise(SIGKILL);
  });
  EXPECT_NE(folder.listing(), "");
  write_file(folder.file("a"), "whole");
  AtomicDirectory made(folder.file("b"));
  made.commit();
  EXPECT_EQ(folder.listing(), "a b ");
  EXPECT_EQ(read_file(folder.file("a")), "whole");
}

TEST(Leftovers, RemovesOnlyFilesOfThisNameAndOfDeadProcesses) {
  TemporaryFolder folder;
  const auto dead = dead_process();
  const std::vector<std::string> gone = {fmt::format("a.{}-0.tmp", dead),
                                         fmt::format("a.{}-31.tmp", dead),
                                         fmt::format("a.{}-0.tmp", ::getpid())};
  const std::vector<std::string> kept = {fmt::format("b.{}-0.tmp", dead),
                                         fmt::format("a.{}-0.tmp", ::getppid()),
                                         fmt::format("a.x{}-0.tmp", dead),
                                         fmt::format("a.{}-0.tmpx", dead),
                                         fmt::format("a.{}-.tmp", dead),
                                         fmt::format("a.b.{}-0.tmp", dead),
                                         fmt::format("a.-{}-0.tmp", dead),
                                         "a.99999999999999999999-0.tmp",
                                         "a.0-0.tmp",
                                         "a.tmp"};
  for (const auto& names : {gone, kept})
    for (const auto& name : names) std::ofstream(folder.file(name)) << name;
  const auto folder_left = folder.file(fmt::format("a.{}.tmp", dead));
  fs::create_directories(folder_left + "/x/y");
  write_file(folder.file("a"), "whole");
  for (const auto& name : gone) EXPECT_FALSE(path_exists(folder.file(name))) << name;
  for (const auto& name : kept) EXPECT_TRUE(path_exists(folder.file(name))) << name;
  EXPECT_FALSE(path_exists(folder_left));
}

TEST(Leftovers, KeepsTheFileOfAnActiveWriter) {
  TemporaryFolder folder;
  AtomicFile first(folder.file("a"));
  first.write("first");
  AtomicDirectory made(folder.file("b"));
  remove_leftovers(folder.file("a"));
  remove_leftovers(folder.file("b"));
  first.commit();
  made.commit();
  EXPECT_EQ(folder.listing(), "a b ");
}

}  // namespace
}  // namespace emend
